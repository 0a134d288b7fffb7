// The dialogs, which ask for a name and wait for the answer of the server. Knows no connection.

// A dialog with one field. `send(value)` returns false if there is no connection.
export class Ask {
  #dialog;
  #field;
  #send;
  #before = "";
  // The value that waits for an answer, or null.
  sent = null;

  constructor(name, send) {
    this.#dialog = document.getElementById(name);
    this.#field = this.#dialog.querySelector("input");
    this.#send = send;
    this.#dialog.querySelector(".cancel").onclick = () => this.#dialog.close();
    this.#dialog.addEventListener("close", () => (this.sent = null));
    this.#dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit(this.#field.value);
    });
  }

  open(value = "") {
    this.#before = this.#field.value = value;
    this.#tell("");
    this.#dialog.showModal();
    this.#field.select();
  }

  // As if the user had typed it.
  submit(text) {
    const value = (this.#field.value = text.trim());
    if (value === "") return;
    if (value === this.#before) return this.#dialog.close();
    this.sent = value;
    this.#tell("");
    if (!this.#send(value)) this.refuse("There is no connection now.");
  }

  // The server has agreed.
  accept() {
    this.#dialog.close();
    // The event of it comes later.
    this.sent = null;
  }

  refuse(reason) {
    this.sent = null;
    this.#tell(reason);
    this.#field.select();
  }

  #tell(text) {
    this.#dialog.querySelector(".trouble").textContent = text;
    this.#field.setAttribute("aria-invalid", String(text !== ""));
  }
}
