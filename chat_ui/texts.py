"""Every word the page and the endpoints say, in Chinese and English."""

import math
import re
from collections.abc import Callable, Iterable

from chat_core import ChatError, Language, TurnError

TEXTS: dict[str, dict[Language, str]] = {
    "new_chat": {"zh": "新对话", "en": "New chat"},
    "role": {"zh": "角色", "en": "Role"},
    "find_role": {"zh": "查找角色", "en": "Find a role"},
    "use_reply": {"zh": "采用：{name}", "en": "Use {name}"},
    "ask_several": {"zh": "同时问几个", "en": "Ask several"},
    "ask_several_hint": {
        "zh": "选 2 到 4 个，回答会并排显示。",
        "en": "Choose 2 to 4; their replies come side by side.",
    },
    "ask_these": {"zh": "问这几个", "en": "Ask these"},
    "import_roles": {"zh": "导入", "en": "Import"},
    "found_roles": {"zh": "文件里的角色", "en": "Roles in the file"},
    "take_roles": {"zh": "加入所选", "en": "Add these"},
    "roles_taken": {"zh": "已加入 {count} 个角色。", "en": "Roles added: {count}."},
    "new_role": {"zh": "新建角色", "en": "New role"},
    "own_role": {"zh": "我的角色", "en": "A role of your own"},
    "role.icon": {"zh": "图标", "en": "Icon"},
    "role.name": {"zh": "名字", "en": "Name"},
    "role.description": {"zh": "一句话介绍", "en": "Description, one line"},
    "role.prompt": {"zh": "提示词：它是谁，怎样回答", "en": "Prompt: who it is, and how it answers"},
    "role.welcome_message": {"zh": "欢迎语", "en": "Welcome"},
    "role.example_questions": {"zh": "示例问题，每行一个", "en": "Example questions, one a line"},
    "role.model": {"zh": "模型", "en": "Model"},
    "role.temperature": {"zh": "温度", "en": "Temperature"},
    "role.max_tokens": {"zh": "最大长度", "en": "Maximum length"},
    "variables": {"zh": "这个角色想知道：", "en": "This role asks for"},
    "delete_role_confirm": {
        "zh": "删除角色“{name}”？它的对话会保留。",
        "en": "Delete the role “{name}”? Its conversations stay.",
    },
    "edit": {"zh": "编辑", "en": "Edit"},
    "duplicate": {"zh": "复制", "en": "Duplicate"},
    "export": {"zh": "导出", "en": "Export"},
    "save": {"zh": "保存", "en": "Save"},
    "cancel": {"zh": "取消", "en": "Cancel"},
    "former_role": {"zh": "已删除的角色", "en": "A deleted role"},
    "model": {"zh": "模型", "en": "Model"},
    "clear": {"zh": "清空", "en": "Clear"},
    "clear_confirm": {
        "zh": "清空这个对话的全部消息？此操作无法撤销。",
        "en": "Clear all messages of this conversation? This cannot be undone.",
    },
    "message": {"zh": "消息", "en": "Message"},
    "copy_message": {"zh": "复制消息", "en": "Copy message"},
    "copy_code": {"zh": "复制代码", "en": "Copy the code"},
    "attach": {"zh": "添加图片", "en": "Add pictures"},
    "attached": {"zh": "已添加的图片", "en": "Added pictures"},
    "send": {"zh": "发送", "en": "Send"},
    "stop": {"zh": "停止", "en": "Stop"},
    "dictate": {"zh": "语音输入", "en": "Dictate"},
    "dictation_hint": {
        "zh": "语音由浏览器自带的识别功能转成文字；浏览器可能会为此把声音发给它的厂商。本应用只得到文字。",
        "en": "Your browser itself turns what you say into words, and may send the sound to its maker for "
        "that. This app gets the words alone.",
    },
    "dictation_agree": {"zh": "开始语音输入", "en": "Start dictating"},
    "dictation_not_allowed": {
        "zh": "浏览器不允许使用麦克风。请在浏览器中为本页允许麦克风，然后再试。",
        "en": "The browser may not use the microphone. Allow it for this page, then try again.",
    },
    "dictation_no_microphone": {
        "zh": "没有找到麦克风。请接好麦克风，然后再试。",
        "en": "There is no microphone. Connect one, then try again.",
    },
    "dictation_network": {
        "zh": "浏览器连接不上它的语音识别服务。请稍后再试，或改用键盘输入。",
        "en": "The browser cannot reach its speech recognition. Try again later, or type.",
    },
    "dictation_nothing_heard": {
        "zh": "没有听到声音。请检查麦克风，然后再试。",
        "en": "Nothing was heard. Check the microphone, then try again.",
    },
    "dictation_language": {
        "zh": "浏览器的语音识别不支持这种语言。请改用键盘输入。",
        "en": "The browser's speech recognition does not know this language. Please type.",
    },
    "dictation_failed": {
        "zh": "浏览器的语音识别出错了。请再试一次，或改用键盘输入。",
        "en": "The browser's speech recognition has failed. Try again, or type.",
    },
    "read_aloud": {"zh": "朗读", "en": "Read aloud"},
    "voice_hint": {
        "zh": "对于这种语言，浏览器只有其厂商提供的在线语音：回复的文字会发给该厂商。",
        "en": "For this language your browser has only a voice of its maker's, who gets the reply's text.",
    },
    "nothing_to_read": {
        "zh": "这条回复没有可以朗读的文字。",
        "en": "There is no text in this reply to be read aloud.",
    },
    "no_voice": {
        "zh": "浏览器没有这种语言的语音。请在系统设置中安装。",
        "en": "The browser has no voice for this language. One can be installed in the system's settings.",
    },
    "reading_failed": {
        "zh": "浏览器的朗读出错了。请再试一次。",
        "en": "The browser's reading aloud has failed. Try again.",
    },
    "message_placeholder": {
        "zh": "输入消息…",
        "en": "Write a message…",
    },
    "skip": {"zh": "跳到输入框", "en": "Skip to the message box"},
    "to_end": {"zh": "到最后", "en": "To the end"},
    "to_news": {"zh": "到最后：有新内容", "en": "To the end: there is more"},
    "questions": {"zh": "我的提问", "en": "Your questions"},
    "wrap_code": {"zh": "自动换行", "en": "Wrap lines"},
    "save_code": {"zh": "下载代码", "en": "Download the code"},
    "enlarge": {"zh": "放大", "en": "Enlarge"},
    "show_all": {"zh": "全部显示", "en": "Show all"},
    "show_less": {"zh": "收起", "en": "Show less"},
    "waiting": {"zh": "回复结束后发送", "en": "Sent when the reply ends"},
    "waiting_for_page": {"zh": "页面就绪后发送", "en": "Sent when the page is ready"},
    "waiting_edit": {"zh": "放回输入框", "en": "Back to the box"},
    "waiting_remove": {"zh": "移除", "en": "Remove"},
    "conversation": {"zh": "对话", "en": "Conversation"},
    "conversations": {"zh": "对话列表", "en": "Conversations"},
    "no_conversations": {"zh": "还没有对话", "en": "No conversations yet"},
    "no_matches": {"zh": "没有找到", "en": "Nothing found"},
    "show_older": {"zh": "显示更早的 {count} 个对话", "en": "{count} older conversations: show more"},
    "search": {"zh": "搜索对话", "en": "Search conversations"},
    "keyboard": {"zh": "键盘快捷键", "en": "Keyboard"},
    "shortcuts": {
        "zh": "| | |\n|---|---|\n| 停止回复 | `Esc` |\n| 回到输入框 | `Shift+Esc` |\n"
        "| 新对话 | `Ctrl+Shift+O` |\n| 侧边栏 | `Ctrl+Shift+S` |\n"
        "| 搜索 | `Ctrl+K` |\n| 修改上一条消息 | `↑` |\n| 快捷键列表 | `Ctrl+/` |\n| 换行 | `Shift+Enter` |",
        "en": "| | |\n|---|---|\n| Stop the reply | `Esc` |\n| Go to the box | `Shift+Esc` |\n"
        "| New chat | `Ctrl+Shift+O` |\n| Sidebar | `Ctrl+Shift+S` |\n"
        "| Search | `Ctrl+K` |\n| Edit the last message | `↑` |\n| This list | `Ctrl+/` |\n"
        "| New line | `Shift+Enter` |",
    },
    "lost": {
        "zh": "连接断开了。你输入的内容还在，恢复后会自动继续。",
        "en": "The connection is lost. Your text is kept, and the page goes on by itself as soon as it can.",
    },
    "show_earlier": {"zh": "显示更早的 {count} 条消息", "en": "{count} earlier messages: show more"},
    "no_reply": {"zh": "没有得到回复。", "en": "No reply came."},
    "picture": {"zh": "图片", "en": "Picture"},
    "footnote": {"zh": "脚注 {number}", "en": "Note {number}"},
    "footnote_back": {"zh": "脚注 {number}：回到正文", "en": "Note {number}: back to the text"},
    "draw": {"zh": "画图", "en": "Make a picture"},
    "drawing": {"zh": "正在画图", "en": "Drawing"},
    "picture_placeholder": {"zh": "描述想要的图片…", "en": "Describe a picture…"},
    "picture_model": {"zh": "画图模型", "en": "Picture model"},
    "picture_size": {"zh": "尺寸", "en": "Size"},
    "picture_quality": {"zh": "质量", "en": "Quality"},
    "save_picture": {"zh": "下载图片", "en": "Download the picture"},
    "change_picture": {"zh": "修改图片", "en": "Change the picture"},
    "retry": {"zh": "重试", "en": "Try again"},
    "retry_later": {"zh": "时间到后自动重试", "en": "By itself, when the time is up"},
    "close": {"zh": "关闭", "en": "Close"},
    "settings": {"zh": "设置", "en": "Settings"},
    "settings_head": {"zh": "## 设置", "en": "## Settings"},
    "settings_of_chat": {"zh": "### 这个对话", "en": "### This conversation"},
    "settings_of_user": {"zh": "### 你", "en": "### You"},
    "settings_of_data": {"zh": "### 数据", "en": "### Data"},
    "saved": {"zh": "已保存", "en": "Saved"},
    "saved_later": {"zh": "从第一条消息起生效", "en": "Kept with your first message"},
    "copied": {"zh": "已复制", "en": "Copied"},
    "temporary": {"zh": "临时对话", "en": "Temporary chat"},
    "export_markdown": {"zh": "导出 Markdown", "en": "Export Markdown"},
    "export_copy": {"zh": "复制全文", "en": "Copy as text"},
    "unreadable_sessions": {"zh": "无法读取", "en": "Cannot be read"},
    "export_json": {"zh": "导出 JSON", "en": "Export JSON"},
    "import": {"zh": "导入对话（JSON、ZIP）", "en": "Import conversations (JSON, ZIP)"},
    "export_all": {"zh": "导出全部内容（ZIP）", "en": "Export everything (ZIP)"},
    "imported": {"zh": "已导入 {count} 个对话。", "en": "Conversations imported: {count}."},
    "imported_part": {
        "zh": "已导入 {count} 个对话；有 {rejected} 项无法导入。",
        "en": "Conversations imported: {count}. Parts of the file that could not be: {rejected}.",
    },
    "you": {"zh": "你", "en": "You"},
    "assistant": {"zh": "助手", "en": "Assistant"},
    "asked": {"zh": "提问", "en": "Question"},
    "shared_on": {"zh": "分享于 {day}", "en": "Shared on {day}"},
    "share_copy": {"zh": "在我的对话中继续", "en": "Go on in a copy of your own"},
    "share": {"zh": "分享", "en": "Share"},
    "share_ask": {
        "zh": "得到链接的人都能看到这个对话现在的内容。链接的有效期：",
        "en": "Whoever has the link can read this conversation as it is now. It holds for",
    },
    "days_1": {"zh": "1 天", "en": "a day"},
    "days_7": {"zh": "7 天", "en": "a week"},
    "days_30": {"zh": "30 天", "en": "30 days"},
    "days_365": {"zh": "一年", "en": "a year"},
    "make_link": {"zh": "创建链接", "en": "Make a link"},
    "link_made": {"zh": "链接在 {day} 前有效：", "en": "The link holds until {day}:"},
    "copy_link": {"zh": "复制链接", "en": "Copy the link"},
    "link_copied": {"zh": "已复制", "en": "Copied"},
    "unshare": {"zh": "取消分享", "en": "End the link"},
    "shared_links": {"zh": "分享的链接", "en": "Shared links"},
    "holds_until": {"zh": "{day} 前有效", "en": "until {day}"},
    "copy_ask": {
        "zh": "把这个分享的对话复制一份，在你的对话中继续？",
        "en": "Make a copy of the shared conversation, to go on in it?",
    },
    "make_copy": {"zh": "复制一份", "en": "Make a copy"},
    "providers_default": {"zh": "默认", "en": "default"},
    "temperature": {"zh": "温度", "en": "Temperature"},
    "temperature_info": {
        "zh": "0 到 2：越低越稳，越高越活。",
        "en": "0 to 2: lower is steadier, higher is livelier.",
    },
    "effort": {"zh": "思考强度", "en": "Reasoning effort"},
    "refresh_models": {"zh": "刷新模型列表", "en": "Look for models again"},
    "models_found": {"zh": "可用的模型：{count} 个。", "en": "Models that can be chosen: {count}."},
    "length": {"zh": "最大长度", "en": "Maximum length"},
    "length_info": {"zh": "一条回复最多的词元数。", "en": "The most tokens a reply may have."},
    "temperature_wrong": {"zh": "请输入 0 到 2 的数。", "en": "Please give a number from 0 to 2."},
    "length_wrong": {
        "zh": "请输入 1 到 1000000 的整数。",
        "en": "Please give a whole number from 1 to 1000000.",
    },
    "language": {"zh": "语言 / Language", "en": "Language / 语言"},
    "theme": {"zh": "外观", "en": "Theme"},
    "theme_system": {"zh": "跟随系统", "en": "System"},
    "theme_light": {"zh": "浅色", "en": "Light"},
    "theme_dark": {"zh": "深色", "en": "Dark"},
    "send_with": {"zh": "发送键", "en": "Send with"},
    "key_enter": {"zh": "Enter", "en": "Enter"},
    "key_ctrl_enter": {"zh": "Ctrl+Enter", "en": "Ctrl+Enter"},
    "edit_confirm": {
        "zh": "后面的消息会被替换掉，原来的内容会另存为一个对话。继续吗？",
        "en": "The messages that follow will be replaced, and kept as a conversation of their own. Go on?",
    },
    "branch_kept": {"zh": "被替换的内容保存在：", "en": "What this has replaced is kept:"},
    "branch_link": {"zh": "原来的对话", "en": "the conversation as it was"},
    "nothing_to_export": {"zh": "这里还没有可以导出的内容。", "en": "There is nothing to export here yet."},
    "pinned": {"zh": "已置顶", "en": "Pinned"},
    "today": {"zh": "今天", "en": "Today"},
    "yesterday": {"zh": "昨天", "en": "Yesterday"},
    "last_7_days": {"zh": "最近 7 天", "en": "Last 7 days"},
    "older": {"zh": "更早", "en": "Older"},
    "pin": {"zh": "置顶（不会过期）", "en": "Pin (never expires)"},
    "unpin": {"zh": "取消置顶", "en": "Unpin"},
    "rename": {"zh": "重命名", "en": "Rename"},
    "rename_ask": {"zh": "新的标题", "en": "New title"},
    "drop_here": {"zh": "松开鼠标，把图片放进消息", "en": "Let go, and the picture is in your message"},
    "restore": {"zh": "已撤回 · 恢复", "en": "Undone · Restore"},
    "branch": {"zh": "从这里开始新对话", "en": "New conversation from here"},
    "notice.branch": {
        "zh": "这个对话是从[另一个对话](?c={branched_from})分出来的。",
        "en": "This conversation branches off from [another one](?c={branched_from}).",
    },
    "move_to_folder": {"zh": "移到文件夹…", "en": "Move to a folder…"},
    "move_out": {"zh": "移出文件夹", "en": "Take out of its folder"},
    "folder_ask": {"zh": "文件夹的名称", "en": "Name of the folder"},
    "folder_find": {"zh": "查找此文件夹中的全部对话", "en": "Find all that is in this folder"},
    "move": {"zh": "移动", "en": "Move"},
    "actions": {"zh": "操作", "en": "Actions"},
    "replace": {"zh": "替换", "en": "Replace"},
    "delete": {"zh": "删除", "en": "Delete"},
    "delete_confirm": {
        "zh": "删除对话“{title}”？此操作无法撤销。",
        "en": "Delete the conversation “{title}”? This cannot be undone.",
    },
    "expires_in_days": {"zh": "{days} 天后过期", "en": "expires in {days} days"},
    "expires_tomorrow": {"zh": "1 天后过期", "en": "expires in a day"},
    "expires_today": {"zh": "24 小时内过期", "en": "expires within a day"},
    "not_here": {
        "zh": "这个对话无法在这里打开：它属于别人，或已经不在了。",
        "en": "This conversation cannot be opened here: it is somebody else's, or it is no longer there.",
    },
    "untitled": {"zh": "新对话", "en": "New chat"},
    "running": {"zh": "正在回复", "en": "reply running"},
    "thinking": {"zh": "思考中…", "en": "Thinking…"},
    "thought": {"zh": "思考过程", "en": "Thoughts"},
    "stopped": {"zh": "已停止", "en": "Stopped"},
    "interrupted": {
        "zh": "回复被中断：应用当时重启了。",
        "en": "Interrupted: the app was restarted.",
    },
    "continue": {"zh": "继续", "en": "Continue"},
    "finish.length": {"zh": "已达到最大长度，没有说完", "en": "Cut off at its maximum length"},
    "finish.content_filter": {"zh": "被服务商的内容过滤中断", "en": "Ended by the provider's content filter"},
    "fact.first_token": {
        "zh": "{seconds:.1f} 秒后开始",
        "en": "began after {seconds:.1f}\N{NO-BREAK SPACE}s",
    },
    "fact.tokens": {"zh": "{tokens} 个词元", "en": "{tokens} tokens"},
    "fact.spent": {"zh": "整个对话 {cost}", "en": "{cost} in all"},
    "fact.instead_of": {
        "zh": "由 {model} 代替 {asked} 回答",
        "en": "answered by {model} instead of {asked}",
    },
    "fact.context": {"zh": "发送了 {total} 条消息中的 {sent} 条", "en": "{sent} of {total} messages sent"},
    "remember": {"zh": "让角色记住这条", "en": "Remember this"},
    "remembered": {"zh": "已记住，这个角色今后会知道。", "en": "Noted: this role knows it from now on."},
    "notes_for": {"zh": "“{role}”记住的事", "en": "Notes for {role}"},
    "notes_info": {
        "zh": "只告诉这个角色；临时对话中不会使用。",
        "en": "Told to this role alone, and never in temporary chats.",
    },
    "note_example": {"zh": "例如：我吃素。", "en": "For example: I am vegetarian."},
    "forget": {"zh": "删除笔记", "en": "Remove the note"},
    "add": {"zh": "添加", "en": "Add"},
    "summary_title": {"zh": "前文摘要", "en": "Summary of earlier messages"},
    "edit_summary": {"zh": "修改摘要", "en": "Edit the summary"},
    "fact.notes": {"zh": "附带 {count} 条笔记", "en": "notes sent: {count}"},
    "nothing_to_stop": {"zh": "没有正在进行的回复。", "en": "No reply is running."},
    "summary": {
        "zh": "前面 {count} 条消息的摘要（模型看到的是它）",
        "en": "Summary of {count} messages, which the model is told in their place",
    },
    "summary_edited": {
        "zh": "你写的前文摘要（模型看到的是它）",
        "en": "Your summary, which the model is told in the place of earlier messages",
    },
    "summary_failed": {
        "zh": "前文摘要没有更新成功；更早的消息没有发送给模型。下一条回复之后会再试。",
        "en": "The summary could not be brought up to date: earlier messages are not sent. It is tried again "
        "after the next reply.",
    },
    "fact.context_summary": {
        "zh": "发送了摘要和 {total} 条消息中的 {sent} 条",
        "en": "summary + {sent} of {total} messages sent",
    },
    "dropped": {
        "zh": "更早的 {count} 条消息已不再保存：每个对话只保留最近的消息。",
        "en": "{count} earlier messages are no longer stored: each conversation keeps its latest ones.",
    },
    "unreadable": {
        "zh": "有 {count} 条已保存的消息无法读取，未显示。",
        "en": "{count} stored messages cannot be read and are not shown.",
    },
    "notice.embedded_model": {
        "zh": "正在使用内置的小模型 {model}，只适合试用，而且**只会英语**：请用英语提问。{set_up}",
        "en": "You are talking to {model}, a tiny built-in model for trying things out. {set_up}",
    },
    "set_up": {
        "zh": "在 `.env` 中写入两行并重启，即可使用真正的模型。例如 Ollama："
        "`OPENAI_BASE_URL=http://localhost:11434/v1` `OPENAI_MODEL=llama3.2`。"
        "使用服务商时，第一行改为 `OPENAI_API_KEY=…`。",
        "en": "Two lines in `.env` and a restart bring a real one, for example from Ollama: "
        "`OPENAI_BASE_URL=http://localhost:11434/v1` `OPENAI_MODEL=llama3.2`. "
        "With a provider the first line is `OPENAI_API_KEY=…`.",
    },
    "set_up.space": {
        "zh": "Space 的所有者在 *Settings → Variables and secrets* 中添加 `OPENAI_API_KEY`，"
        "或 `OPENAI_BASE_URL` 和 `OPENAI_MODEL`，即可使用真正的模型。",
        "en": "A real one is there when the owner of this Space adds `OPENAI_API_KEY`, or `OPENAI_BASE_URL` "
        "and `OPENAI_MODEL`, in *Settings → Variables and secrets*.",
    },
    "close_notice": {"zh": "不再显示", "en": "Do not show again"},
    "notice.no_model": {
        "zh": "还没有模型。在 `.env` 中设置 `OPENAI_API_KEY` 或 `OPENAI_BASE_URL`，"
        "或运行 `make install` 安装内置小模型，然后重启。",
        "en": "There is no model yet. Set `OPENAI_API_KEY` or `OPENAI_BASE_URL` in `.env`, "
        "or run `make install` for the built-in one, then restart.",
    },
    "notice.until_restart": {
        "zh": "对话只保存到这台服务器重启为止。设置 `REDIS_URL` 即可长期保存。",
        "en": "Conversations are kept only until this server restarts. `REDIS_URL` keeps them for longer.",
    },
    "notice.nothing_kept": {
        "zh": "对话只保存在内存中，应用停止后会丢失。设置 `REDIS_URL` 即可保存。",
        "en": "Conversations are lost when the app stops: there is no Redis. Set `REDIS_URL` to keep them.",
    },
    "notice.temporary": {
        "zh": "临时对话：什么都不会保存，离开后就消失。",
        "en": "Temporary chat: nothing is stored, and it is gone when you leave.",
    },
    "notice.store_away": {
        "zh": "暂时连接不上对话存储，请稍后刷新页面。",
        "en": "The conversation store does not answer right now. Reload the page in a moment.",
    },
    "log_in": {"zh": "登录", "en": "Log in"},
    "sign_in": {"zh": "登录", "en": "Sign in"},
    "sign_in_with": {"zh": "用 {provider} 登录", "en": "Sign in with {provider}"},
    "sign_in_failed": {
        "zh": "登录没有成功，请再试一次。",
        "en": "Signing in failed. Please try again.",
    },
    "log_out": {"zh": "退出登录", "en": "Log out"},
    "login_name": {"zh": "用户名", "en": "Name"},
    "password": {"zh": "密码", "en": "Password"},
    "login_needed": {
        "zh": "你还没有登录，或登录已过期。请刷新页面并登录。",
        "en": "You are not logged in, or no longer. Please reload the page and log in.",
    },
    "too_many_calls": {
        "zh": "从你所在的网络同时发来的请求太多，请稍后再试。",
        "en": "Too many requests from your network are under way. Please try again in a moment.",
    },
    "app_busy": {
        "zh": "现在使用的人太多，请稍后再试；你输入的内容还在。",
        "en": "The app is busy right now. Your text is still here: try again in a moment.",
    },
    "misrouted": {
        "zh": "这个请求被送到了应用的另一个进程，在这里取不到结果。需要由运营者处理："
        "代理必须把同一个访客始终送到同一个进程。",
        "en": "This was sent to another process of the app, and cannot be fetched here. The operator has "
        "to look at it: a proxy must lead each visitor to the same process (sticky routing).",
    },
    "json_needed": {
        "zh": "请求的内容必须是 JSON（Content-Type: application/json）。",
        "en": "A call has to be JSON (Content-Type: application/json).",
    },
    "streams_only": {
        "zh": "{name} 会逐步返回结果，请改用 /gradio_api/call/{name}。",
        "en": "{name} answers bit by bit: call it at /gradio_api/call/{name}.",
    },
    "no_such_tool": {
        "zh": "没有这个工具。可用的有：{names}。",
        "en": "There is no such tool. There are: {names}.",
    },
    "call_too_large": {
        "zh": "发送的内容太大了，请缩短后再试。",
        "en": "What was sent is too large. Please make it shorter.",
    },
    "upload_type": {
        "zh": "不能发送这种文件。可以发送 PNG、JPEG、WebP 和 GIF 图片，导入 JSON 或 ZIP 对话。",
        "en": "Files of this kind are not taken: only PNG, JPEG, WebP, GIF, and JSON or ZIP to import.",
    },
    "upload_too_large": {
        "zh": "文件太多或太大：一次最多 4 个，每个最多 10 MB。",
        "en": "Too many files, or one that is too large: at most 4 at once and 10 MB each.",
    },
    "upload_malformed": {
        "zh": "文件没有完整送达，请重试。",
        "en": "The file did not arrive. Please try again.",
    },
    "too_many_uploads": {
        "zh": "最近上传的文件太多，请过一会儿再试。",
        "en": "Too many files have been uploaded lately. Please try again in a while.",
    },
    "file_gone": {
        "zh": "这个文件已经不在了，请重新选择。",
        "en": "This file is no longer there. Please choose it again.",
    },
    "error": {"zh": "出错了", "en": "Something went wrong"},
    "reason": {"zh": "原因：{reason}", "en": "Reason: {reason}"},
    "reference": {"zh": "编号：{reference}。", "en": "Reference: {reference}."},
    "wait": {"zh": "请在 {seconds} 秒后再试。", "en": "Please try again in {seconds} seconds."},
    "wait_unknown": {"zh": "请稍后再试。", "en": "Please try again later."},
    "wait_over": {"zh": "现在可以重试了。", "en": "You can try again now."},
    "operator_needed": {"zh": "需要由运营者处理。", "en": "The operator of this app has to look at it."},
    "error.internal": {
        "zh": "应用内部出错了，请重试。",
        "en": "Something went wrong inside the app. Please try again.",
    },
    "error.invalid_input": {
        "zh": "参数 {field} 不正确：应为 {expected}。",
        "en": "{field} must be {expected}.",
    },
    # Of what people fill in beside a message.
    "invalid_input.temperature": {
        "zh": "温度不正确：请输入 0 到 2 的数。",
        "en": "The temperature must be a number from 0 to 2.",
    },
    "invalid_input.max_tokens": {
        "zh": "最大长度不正确：请输入 1 到 1000000 的整数。",
        "en": "The maximum length must be a whole number from 1 to 1000000.",
    },
    "error.message_empty": {"zh": "请先输入内容。", "en": "Please write something first."},
    "error.message_too_long": {
        "zh": "消息有 {length} 个字符，最多允许 {limit} 个。请缩短后再发送。",
        "en": "The message has {length} characters; at most {limit} are allowed. Please shorten it.",
    },
    "error.unknown_role": {
        "zh": "没有这个角色。可用的角色：{known}。",
        "en": "There is no such role. Choose one of: {known}.",
    },
    "error.too_many_roles": {
        "zh": "你已经有 {limit} 个自己的角色，请先删除一个。",
        "en": "You have {limit} roles of your own, as many as are kept. Delete one first.",
    },
    "error.too_many_notes": {
        "zh": "你已经有 {limit} 条笔记，请先删除一条。",
        "en": "You have {limit} notes, as many as are kept. Delete one first.",
    },
    "error.too_many_shares": {
        "zh": "你已经分享了 {limit} 个链接，请先在设置中取消一个。",
        "en": "You have shared {limit} links, as many as are kept. End one in the settings first.",
    },
    "error.unknown_model": {
        "zh": "没有这个模型。可用的模型：{known}。",
        "en": "There is no such model. Choose one of: {known}.",
    },
    "error.session_not_found": {
        "zh": "找不到这个对话，可能已被删除或已过期。请开始新对话。",
        "en": "This conversation was not found; it may have been deleted or expired. Start a new one.",
    },
    "error.session_unreadable": {
        "zh": "这个对话的存储数据已损坏，无法打开。可以导出其中还能读取的内容，或删除它。",
        "en": "This conversation is damaged. Export what can be read of it, or delete it.",
    },
    "error.turn_not_found": {
        "zh": "这个对话里还没有消息。",
        "en": "Nothing was said in this conversation yet.",
    },
    "error.message_not_found": {
        "zh": "这条消息已经不在了，请刷新页面。",
        "en": "This message is no longer there. Please reload the page.",
    },
    "error.note_not_found": {
        "zh": "这条笔记已经不在了。",
        "en": "This note is no longer there.",
    },
    "error.share_not_found": {
        "zh": "这个链接不存在，或已经失效。请向分享它的人要一个新的。",
        "en": "This link is not there, or no longer. Ask whoever shared it for a new one.",
    },
    "error.session_busy": {
        "zh": "这个对话正在生成回复，请等它完成或先停止它。",
        "en": "A reply is still being written here. Wait for it to end, or stop it first.",
    },
    "error.session_changed": {
        "zh": "这个对话刚刚有了变化，什么都没有改动。请看一下再试。",
        "en": "Something was said here meanwhile, so nothing was changed. Have a look and try again.",
    },
    "error.nothing_to_continue": {
        "zh": "最后一条回复是完整的，没有可以继续的内容。",
        "en": "The last reply is whole: there is nothing to continue.",
    },
    "error.rate_limited": {
        "zh": "消息发得太快了。",
        "en": "That was too fast.",
    },
    "error.tokens_used_up": {
        "zh": "今天的 {limit} 个词元已经用完，{opens_at}（UTC）起可以继续。",
        "en": "Today's {limit} tokens are used up. You can go on at {opens_at} UTC.",
    },
    "error.tokens_used_up_at_address": {
        "zh": "从你所在的网络，今天的 {limit} 个词元已经用完，{opens_at}（UTC）起可以继续。",
        "en": "Today's {limit} tokens for your network are used up. You can go on at {opens_at} UTC.",
    },
    "tokens_left": {
        "zh": "今天还剩大约 {left} 个词元，{opens_at}（UTC）起有新的。",
        "en": "About {left} tokens are left for today. New ones come at {opens_at} UTC.",
    },
    "error.login_failed": {
        "zh": "用户名或密码不正确。",
        "en": "The name or the password is not right.",
    },
    "error.too_many_login_tries": {
        "zh": "密码错误的次数太多。",
        "en": "Too many wrong passwords.",
    },
    "error.too_many_replies": {
        "zh": "现在同时回复的人太多，请稍后再试。",
        "en": "Too many replies are being written right now. Please try again in a moment.",
    },
    "error.too_many_replies_of_user": {
        "zh": "你已经有 {limit} 条回复正在生成，请等一条完成或先停止一条。",
        "en": "{limit} of your replies are already being written. Wait for one to end, or stop one first.",
    },
    "error.too_many_replies_from_address": {
        "zh": "你所在的网络已经有 {limit} 条回复正在生成，请稍后再试。",
        "en": "{limit} replies are already being written for your network. Please try again in a moment.",
    },
    "error.shutting_down": {
        "zh": "应用正在重启，请稍后再试。",
        "en": "The app is restarting. Please try again in a moment.",
    },
    "error.store_unavailable": {
        "zh": "暂时连接不上对话存储，请稍后再试；你输入的内容还在。",
        "en": "The conversation store does not answer. Your text is still here: try again in a moment.",
    },
    "error.model_failed": {"zh": "模型出错了，请重试。", "en": "The model failed. Please try again."},
    "error.model_not_configured": {
        "zh": "还没有设置模型。",
        "en": "No model is set up.",
    },
    "error.model_auth_failed": {
        "zh": "模型服务商拒绝了 API 密钥。",
        "en": "The model's provider did not accept the API key.",
    },
    "error.model_not_found": {
        "zh": "服务商不认识这个模型。",
        "en": "The provider does not know this model.",
    },
    "error.model_address_wrong": {
        "zh": "模型服务器有回应，但这个地址不提供聊天。",
        "en": "The model's server answers, but it does not chat at this address.",
    },
    "error.model_rate_limited": {
        "zh": "模型服务商请求放慢速度。",
        "en": "The model's provider asks to slow down.",
    },
    "error.model_quota_exhausted": {
        "zh": "模型服务商那里的额度用完了。",
        "en": "The credit at the model's provider is used up.",
    },
    "error.model_unreachable": {
        "zh": "连接不上模型服务器。",
        "en": "The model's server cannot be reached.",
    },
    "error.model_server_failed": {
        "zh": "模型服务器出错了，请稍后再试。",
        "en": "The model's server had an error. Please try again in a moment.",
    },
    "error.model_request_rejected": {
        "zh": "模型服务商拒绝了这个请求。",
        "en": "The model's provider rejected the request.",
    },
    "error.model_timed_out": {
        "zh": "模型迟迟没有开始回复，请重试。",
        "en": "The model did not start to answer in time. Please try again.",
    },
    "error.model_stalled": {
        "zh": "模型中途停住了，请重试。",
        "en": "The model stopped in the middle of its reply. Please try again.",
    },
    "error.model_disconnected": {
        "zh": "与模型的连接中途断开了，请重试。",
        "en": "The connection to the model was lost in the middle. Please try again.",
    },
    "error.model_garbled": {
        "zh": "模型服务器返回的不是聊天回复。",
        "en": "The model's server sent something that is not a chat reply.",
    },
    "error.model_silent": {
        "zh": "模型什么也没说就结束了，请换个说法再试。",
        "en": "The model ended without saying anything. Please rephrase and try again.",
    },
    "error.model_filtered": {
        "zh": "服务商的内容过滤拦下了这条回复。请换个说法再试。",
        "en": "The provider's content filter withheld the reply. Please rephrase and try again.",
    },
    "error.model_out_of_length": {
        "zh": "还没开始回答就达到了最大长度。请在设置中调大最大长度后再试。",
        "en": "The maximum length was reached before the answer began. Raise it in the settings and retry.",
    },
    "error.model_repeated": {
        "zh": "模型开始重复自己的话，回复到此为止。请换个说法再试。",
        "en": "The model began to repeat itself, so its reply was ended here. Please rephrase and try again.",
    },
    "error.model_picture_unusable": {
        "zh": "服务商发来的图片无法使用，请再试一次。",
        "en": "The provider sent a picture that cannot be used. Please try again.",
    },
    "error.context_too_long": {
        "zh": "对话太长，超出了模型的容量。请开始新对话。",
        "en": "The conversation is too long for this model. Please start a new one.",
    },
    "error.import_rejected": {
        "zh": "这个文件无法导入：{field} 应为 {expected}。",
        "en": "This file cannot be imported: {field} must be {expected}.",
    },
    "error.image_unreadable": {
        "zh": "有一个文件不是能读取的图片。可以发送 PNG、JPEG、WebP 和 GIF 图片。",
        "en": "A file cannot be read as a picture. PNG, JPEG, WebP and GIF pictures can be sent.",
    },
    "error.image_too_large": {
        "zh": "图片太大：每张最多 {megabytes} MB、{megapixels} 百万像素。",
        "en": "A picture is too large: at most {megabytes} MB and {megapixels} megapixels each.",
    },
    "error.too_many_images": {
        "zh": "一条消息最多带 {limit} 张图片，现在有 {count} 张。",
        "en": "A message can have at most {limit} pictures; this one has {count}.",
    },
    "error.images_unsupported": {
        "zh": "模型 {model} 看不了图片。能看图片的模型：{known}。",
        "en": "The model {model} cannot see pictures. Models that can: {known}.",
    },
    "error.pictures_unavailable": {
        "zh": "这里没有能画图的模型。请换个说法，用文字提问。",
        "en": "No model here can make pictures. Please ask for a text instead.",
    },
    "error.picture_edits_unsupported": {
        "zh": "模型 {model} 不能修改图片。请去掉附带的图片，或改用：{known}。",
        "en": "The model {model} cannot change pictures. Leave them out, or use one of: {known}.",
    },
    # What the operator can do, after the error of that code; others are told that only the operator can.
    "remedy.model_not_configured": {
        "zh": "请设置 OPENAI_API_KEY，或为本地服务器设置 OPENAI_BASE_URL。",
        "en": "Set OPENAI_API_KEY, or OPENAI_BASE_URL for a local server.",
    },
    "remedy.model_auth_failed": {"zh": "请检查 OPENAI_API_KEY。", "en": "Check OPENAI_API_KEY."},
    "remedy.model_quota_exhausted": {
        "zh": "请在那里充值，或换一个 OPENAI_API_KEY。",
        "en": "Top it up there, or set another OPENAI_API_KEY.",
    },
    "remedy.model_not_found": {
        "zh": "请检查 OPENAI_MODEL 和 OPENAI_BASE_URL。",
        "en": "Check OPENAI_MODEL and OPENAI_BASE_URL.",
    },
    "remedy.model_address_wrong": {
        "zh": "请检查 OPENAI_BASE_URL：这类地址通常以 /v1 结尾。",
        "en": "Check OPENAI_BASE_URL: most such addresses end in /v1.",
    },
    "remedy.model_unreachable": {
        "zh": "请检查网络和 OPENAI_BASE_URL。",
        "en": "Check the network and OPENAI_BASE_URL.",
    },
    "remedy.model_garbled": {"zh": "请检查 OPENAI_BASE_URL。", "en": "Check OPENAI_BASE_URL."},
}


def t(language: Language, key: str, **facts: object) -> str:
    """The text of that key with its facts filled in."""
    return TEXTS[key][language].format(**facts)


def wait_text(language: Language, seconds: int) -> str:
    """When to try again."""
    return t(language, "wait", seconds=seconds)


def error_text(
    language: Language,
    error: ChatError | TurnError,
    *,
    is_operator: bool = False,
    wait: Callable[[Language, int], str] = wait_text,
) -> str:
    """What went wrong and what to do next, for a person, with the provider's own reason if it gave one. The
    operator is told what to set. `wait` finds the words for the seconds to wait."""
    of_field = f"{error.code}.{error.facts.get('field')}"
    key = of_field if of_field in TEXTS else f"error.{error.code}"
    sentences = [t(language, key, **error.facts)]
    if error.code in _WAITS:
        seconds = error.facts.get("retry_after")
        whole = math.ceil(seconds) if isinstance(seconds, int | float) else 0
        sentences.append(wait(language, whole) if whole > 0 else t(language, "wait_unknown"))
    remedy = f"remedy.{error.code}"
    if remedy in TEXTS:
        sentences.append(t(language, remedy if is_operator else "operator_needed"))
    if reason := error.facts.get("reason"):
        sentences.append(t(language, "reason", reason=reason))
    if reference := error.facts.get("reference"):
        sentences.append(t(language, "reference", reference=reference))
    return joined(language, sentences)


def joined(language: Language, sentences: Iterable[str]) -> str:
    """One after the other, as the language has it. What others have written may lack its stop, which shows
    where something follows it."""
    stop, space = ("。", "") if language == "zh" else (".", " ")
    *others, last = sentences
    return space.join([*(text if _STOPPED.search(text) else text + stop for text in others), last])


_STOPPED = re.compile(r"[.!?…。！？](</\w+>)*$")


# In another one's sentence the seconds would be a promise that nobody gave.
_WAITS = ("rate_limited", "too_many_login_tries", "model_rate_limited")


def choose_language(accept_language: str) -> Language:
    """Chinese if an Accept-Language header (RFC 9110, 12.5.4) prefers it to English, else English."""
    preferred = {"zh": 0.0, "en": 0.0}
    for part in accept_language.lower().split(","):
        tag, _, quality = part.strip().partition(";q=")
        name = tag.split("-")[0]
        if name in preferred:
            preferred[name] = max(preferred[name], _quality(quality))
    return "zh" if preferred["zh"] > preferred["en"] else "en"


def _quality(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0
