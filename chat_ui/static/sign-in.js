// Signing in with a provider, and the way out of what somebody has logged in to.
import { forgetDrafts } from "./drafts.js";
import { find } from "./dom.js";
import { forgetWaiting } from "./waiting.js";

const isLoggedIn = () => document.cookie.split("; ").includes("role-chat-logged-in=1");
const canSignIn = () => find("#sign-in") !== null;

// A provider shows itself in no frame.
export const signIn = () => window.open("login/openid", window === window.top ? "_self" : "_blank");

// What was typed and not sent is nobody's business who sits here next. Who goes on without a login has the
// conversations back that this browser had before.
export function logOut() {
  forgetDrafts();
  forgetWaiting();
  if (!canSignIn()) localStorage.removeItem("role-chat");
  const form = document.createElement("form");
  form.method = "post";
  form.action = "logout";
  document.body.append(form);
  form.submit();
}

export function start() {
  if (canSignIn()) find(isLoggedIn() ? "#sign-in" : "#log-out").hidden = true;
}
