// In the drawer: what the reader has chosen for this browser, which keeps it.
import { element, find } from "./dom.js";
import { language, setLanguage, words } from "./language.js";
import { sendingKey, setSendingKey } from "./sending.js";
import { sayInDrawer } from "./settings.js";
import { chosenTheme, setTheme, SYSTEM } from "./theme.js";

// A row of buttons, of which the `chosen` one is pressed. `options` has the words of each by its value.
function choice(key, options, chosen, choose) {
  const buttons = Object.entries(options).map(([value, text]) => {
    const button = element("button", { type: "button", textContent: text, value });
    button.addEventListener("click", () => {
      press(value);
      sayInDrawer("saved");
      choose(value);
    });
    return button;
  });
  const press = (value) => buttons.forEach((button) => (button.ariaPressed = button.value === value));
  press(chosen);
  const group = element("div", { id: key, className: "choice", role: "group", ariaLabel: words(key) }, ...buttons);
  return element("div", {}, element("span", { textContent: words(key) }), group);
}

export function start() {
  const themes = { [SYSTEM]: words("theme_system"), light: words("theme_light"), dark: words("theme_dark") };
  const keys = { enter: words("key_enter"), ctrl_enter: words("key_ctrl_enter") };
  find("#preferences .choices").replaceChildren(
    choice("language", { "zh-CN": "中文", en: "English" }, language() === "zh" ? "zh-CN" : "en", setLanguage),
    choice("theme", themes, chosenTheme(), setTheme),
    choice("send_with", keys, sendingKey(), setSendingKey),
  );
}
