// The box to write in: makes messages of its text, and refuses those that the server would refuse.
// Knows no connection.

const LINES_MAX = 50;
const ROWS_MAX = 6;
// All that a terminal or an editor takes for the end of a line.
const LINE_ENDS = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/u;
const COMMAND = /^\/(join|nick|leave)(?:\s+(\S+))?\s*$/u;
const encoder = new TextEncoder();

// Controls the form of a room. `send(texts)` returns false if nothing can be sent now; the text stays
// then. `command(name, argument)` takes `/join ROOM`, `/nick NAME` and `/leave`.
export class Say {
  #box;
  #trouble;
  #actions;

  constructor(form, actions) {
    this.#box = form.querySelector("textarea");
    this.#trouble = form.querySelector(".trouble");
    this.#actions = actions;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#box.addEventListener("keydown", (event) => {
      // Enter may choose a word of an input method: it is not ours then. Old browsers say 229.
      const isComposing = event.isComposing || event.keyCode === 229;
      if (event.key !== "Enter" || event.shiftKey || isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.#box.addEventListener("input", () => this.#changed());
  }

  focus() {
    this.#box.focus();
  }

  #changed() {
    this.#box.rows = Math.min(this.#box.value.split(LINE_ENDS).length, ROWS_MAX);
    const { texts, trouble } = this.#read();
    const hint = texts.length > 1 ? `${texts.length} lines are ${texts.length} messages.` : "";
    this.#tell(trouble, hint);
  }

  // The messages in the box, and why they cannot be sent.
  #read() {
    const texts = this.#box.value.split(LINE_ENDS).filter((text) => text.trim() !== "");
    const max = this.#actions.textMax();
    const longest = Math.max(0, ...texts.map((text) => encoder.encode(text).length));
    let trouble = "";
    if (longest > max) trouble = `Too long: ${longest} bytes, at most ${max}.`;
    if (texts.length > LINES_MAX) trouble = `${texts.length} lines are too many at once, at most ${LINES_MAX}.`;
    return { texts, trouble };
  }

  #submit() {
    const { texts, trouble } = this.#read();
    if (trouble || texts.length === 0) return this.#tell(trouble);
    const command = texts.length === 1 && COMMAND.exec(texts[0]);
    if (command) this.#actions.command(command[1], command[2]);
    else if (!this.#actions.send(texts)) return this.#tell("There is no connection now. The text stays here.");
    this.#box.value = "";
    this.#changed();
    // A dialog of the command keeps the focus.
    if (!command) this.#box.focus();
  }

  #tell(trouble, hint = "") {
    const text = trouble || hint;
    // The same words again would be announced again.
    if (this.#trouble.textContent !== text) this.#trouble.textContent = text;
    this.#trouble.classList.toggle("hint", !trouble);
    this.#box.setAttribute("aria-invalid", String(trouble !== ""));
  }
}
