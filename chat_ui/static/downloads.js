// A file that the server has written out becomes a download, without a file on the server.
export const bytesOf = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

export function download(file) {
  const content = file.base64 ? bytesOf(file.base64) : file.text;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content]));
  link.download = file.name.replace(/[\\/:*?"<>|]/g, "_");
  link.click();
  URL.revokeObjectURL(link.href);
}
