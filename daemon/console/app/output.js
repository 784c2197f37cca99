// <dw-output> is the output of a build or of an update, live. Its attribute label says what it is,
// and file what it is called when it is downloaded.

import { html, render } from "../vendor/lit-html.js";
import { toolbar } from "./toolbar.js";
import "./logview.js";

class Output extends HTMLElement {
  set lines(lines) {
    if (lines === this.current) return;
    this.current = lines;
    if (this.isConnected) this.draw();
  }
  connectedCallback() { this.draw(); }

  draw() {
    render(html`${toolbar(this, { file: this.getAttribute("file"), streams: false })}
      <dw-lines label=${this.getAttribute("label")} .lines=${this.current}></dw-lines>`, this);
  }
}

customElements.define("dw-output", Output);
