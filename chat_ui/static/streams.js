// The streams of events that Gradio's client reads pass through here: other modules can look at them, or make
// other streams of them.
const passages = [];

// Has every stream pass through `passage`, a function from one stream of bytes to another.
export const passThrough = (passage) => passages.push(passage);

export function start() {
  const request = window.fetch;
  window.fetch = async (...parameters) => {
    const answer = await request(...parameters);
    if (!answer.body || !new URL(answer.url).pathname.endsWith("/queue/data")) return answer;
    const { status, statusText, headers } = answer;
    const body = passages.reduce((stream, passage) => passage(stream), answer.body);
    return new Response(body, { status, statusText, headers });
  };
}
