// Ends the login. What was typed and not sent is nobody's business who sits here next.
import { fill, messageBox } from "./dom.js";

export function logOut() {
  fill(messageBox(), "");
  localStorage.removeItem("role-chat");
  const form = document.createElement("form");
  form.method = "post";
  form.action = "logout";
  document.body.append(form);
  form.submit();
}
