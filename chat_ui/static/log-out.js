// Ends the login. What was typed and not sent is nobody's business who sits here next.
import { forgetDrafts } from "./drafts.js";
import { forgetWaiting } from "./waiting.js";

export function logOut() {
  forgetDrafts();
  forgetWaiting();
  localStorage.removeItem("role-chat");
  const form = document.createElement("form");
  form.method = "post";
  form.action = "logout";
  document.body.append(form);
  form.submit();
}
