// <dw-output> is the output of a build, live.

import { html, render } from "../vendor/lit-html.js";
import { toolbar } from "./toolbar.js";
import "./logview.js";

class Output extends HTMLElement {
  set job(job) {
    if (job === this.current) return;
    this.current = job;
    this.draw();
  }

  draw() {
    const { params, lines } = this.current;
    render(html`${toolbar(this, { file: `build-${params.name}.log`, streams: false })}
      <dw-lines label=${`Output of the build of ${params.name}`} .lines=${lines}></dw-lines>`, this);
  }
}

customElements.define("dw-output", Output);
