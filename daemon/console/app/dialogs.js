// Questions, and the help.

import { html, render, nothing } from "../vendor/lit-html.js";

// ask puts a question, and gives what was ticked, or undefined for no.
export function ask({ title, text, yes, tick, danger }) {
  return open(title, (close) => html`
    <p>${text}</p>
    ${tick ? html`<label class="tick"><input type="checkbox" name="tick"> ${tick}</label>` : nothing}
    <div class="actions">
      <button value="no" @click=${() => close()}>Cancel</button>
      <button class=${danger ? "danger" : "primary"} @click=${({ target }) => close({ ticked: target.closest("dialog").querySelector("[name=tick]")?.checked ?? false })}>${yes}</button>
    </div>`);
}

const KEYS = [
  ["g then c, i, b", "Go to the containers, images, builds"], ["n", "Build an image"], ["c", "Create a container"],
  ["j, k", "Next and previous container in the list"], ["Enter, l", "Open its log"], ["s, r, u, x", "Start or stop, restart, update, remove it"],
  ["/", "Search the log, or the list"], ["Enter, Shift+Enter", "Next and previous match"], ["f", "Follow the log"],
  ["p", "Pause the log"], ["w", "Wrap long lines"], ["?", "This help"],
];

export function help() {
  return open("Keys", (close) => html`
    <dl class="keys">${KEYS.map(([keys, what]) => html`<dt>${keys.split(/(, | then )/).map((key, i) => (i % 2 ? key : html`<kbd>${key}</kbd>`))}</dt><dd>${what}</dd>`)}</dl>
    <div class="actions"><button class="primary" @click=${() => close()}>Close</button></div>`);
}

function open(title, content) {
  return new Promise((resolve) => {
    const dialog = document.createElement("dialog");
    let answer;
    const close = (given) => {
      answer = given;
      dialog.close();
    };
    dialog.setAttribute("aria-labelledby", "question");
    dialog.onclose = () => {
      dialog.remove();
      resolve(answer);
    };
    render(html`<h2 id="question">${title}</h2>${content(close)}`, dialog);
    document.body.append(dialog);
    dialog.showModal();
  });
}
