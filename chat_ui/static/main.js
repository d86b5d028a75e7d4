// Starts every module; what one is for stands at its beginning. This file stands in the page's head before
// Gradio's own script and so runs before it.
import * as accessibility from "./accessibility.js";
import * as address from "./address.js";
import * as branches from "./branches.js";
import { boxChanged } from "./box.js";
import * as changes from "./changes.js";
import * as code from "./code.js";
import * as connection from "./connection.js";
import * as copying from "./copying.js";
import * as countdown from "./countdown.js";
import * as dictation from "./dictation.js";
import { isConfirmed } from "./dialog.js";
import * as drawing from "./drawing.js";
import * as drafts from "./drafts.js";
import * as dropping from "./dropping.js";
import * as editing from "./editing.js";
import * as exporting from "./exporting.js";
import * as focus from "./focus.js";
import * as folding from "./folding.js";
import * as footnotes from "./footnotes.js";
import * as gradioWords from "./gradio-words.js";
import * as inputMethods from "./input-methods.js";
import * as memory from "./memory.js";
import * as mentions from "./mentions.js";
import * as messageButtons from "./message-buttons.js";
import * as notice from "./notice.js";
import * as panels from "./panels.js";
import * as preferences from "./preferences.js";
import * as pictures from "./pictures.js";
import * as questions from "./questions.js";
import * as readingAloud from "./reading-aloud.js";
import * as refresh from "./refresh.js";
import { showFound } from "./role-import.js";
import * as roles from "./roles.js";
import * as scrolling from "./scrolling.js";
import * as sending from "./sending.js";
import * as sessionList from "./session-list.js";
import * as settings from "./settings.js";
import * as sharing from "./sharing.js";
import * as shortcuts from "./shortcuts.js";
import * as signIn from "./sign-in.js";
import * as smoothing from "./smoothing.js";
import * as streams from "./streams.js";
import * as tab from "./tab.js";
import * as textDirection from "./text-direction.js";
import * as title from "./title.js";
import * as undone from "./undone.js";
import * as uploadRefusals from "./upload-refusals.js";
import * as variables from "./variables.js";
import * as waiting from "./waiting.js";

// What the `js=` of Gradio's listeners calls.
window.chat = {
  keepEdit: editing.keepEdit,
  identify: tab.identify,
  showTab: tab.showTab,
  showEarlier: questions.showEarlier,
  showQuestions: questions.showQuestions,
  boxChanged,
  send(values) {
    dictation.leaveDictation();
    return waiting.send(values);
  },
  arrived: () => waiting.arrived(),
  notSent: waiting.notSent,
  waitingRefused: waiting.refused,
  restoring: undone.restoring,
  showRole(role) {
    roles.showRole(role);
    memory.showMemory();
  },
  roleSaved: roles.roleSaved,
  showFoundRoles: showFound,
  variableValues: variables.variableValues,
  showLink: sharing.showLink,
  settingsSaved: settings.settingsSaved,
  exported: exporting.exported,
  showPicture: pictures.showPicture,
  signIn: signIn.signIn,
  logOut: signIn.logOut,
  isConfirmed,
};

// Of a change they hear in this order: fields that an edit closes are gone before the page is scrolled.
const modules = [
  tab,
  address,
  panels,
  sessionList,
  roles,
  readingAloud,
  memory,
  sharing,
  settings,
  preferences,
  exporting,
  signIn,
  variables,
  copying,
  drafts,
  drawing,
  connection,
  smoothing,
  streams,
  textDirection,
  refresh,
  countdown,
  accessibility,
  gradioWords,
  notice,
  branches,
  messageButtons,
  dictation,
  undone,
  title,
  dropping,
  uploadRefusals,
  editing,
  focus,
  folding,
  code,
  footnotes,
  pictures,
  questions,
  scrolling,
  inputMethods,
  mentions,
  sending,
  shortcuts,
  changes,
];

// Sent by the `js=` that Gradio runs when its components are on the page (chat_ui/server.py).
addEventListener("rendered", () => modules.forEach((module) => module.start()), { once: true });
