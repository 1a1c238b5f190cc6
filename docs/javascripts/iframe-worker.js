/* Search in pages that were opened from the disk, for which browsers refuse a worker: its script runs in a
 * hidden frame, which takes and answers messages as a worker does. The offline plugin of Material brings such a
 * script from another host, unless one of this name is configured. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.onload = () => this.start();
      this.frame.srcdoc = `<script src="${new URL(address, document.baseURI)}"></script>`;
      // The theme starts its search once the body is there.
      document.body.appendChild(this.frame);
    }

    start() {
      this.frame.contentWindow.postMessage = (data) =>
        this.dispatchEvent(new MessageEvent("message", { data }));
      const waiting = this.waiting;
      this.waiting = null;
      waiting.forEach((data) => this.postMessage(data));
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
    }
  };
}
