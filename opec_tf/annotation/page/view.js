// Which part of the picture the stage shows: screen = (picture point from the outer edge) * scale + offset.

const LARGEST = 40;
const MARGIN = 28;

export class View {
  constructor(stage) {
    this.stage = stage;
    Object.assign(this, { scale: 1, x: 0, y: 0, fitted: null, known: this.size });
  }

  get size() {
    const { width, height } = this.stage.getBoundingClientRect();
    return [width, height];
  }

  // A joint's place, whose pixel centres are at integers, on the stage.
  toScreen(x, y) {
    return [(x + 0.5) * this.scale + this.x, (y + 0.5) * this.scale + this.y];
  }

  toPicture(screenX, screenY) {
    return [(screenX - this.x) / this.scale - 0.5, (screenY - this.y) / this.scale - 0.5];
  }

  // A pointer's place on the stage.
  at(event) {
    const { left, top } = this.stage.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  // Shows a box [x, y, w, h] of the picture as large as it goes, until the view is zoomed or moved.
  show(box) {
    const [x, y, w, h] = (this.fitted = box);
    const [width, height] = this.size;
    this.scale = Math.min((width - 2 * MARGIN) / w, (height - 2 * MARGIN) / h, LARGEST);
    this.x = width / 2 - (x + w / 2) * this.scale;
    this.y = height / 2 - (y + h / 2) * this.scale;
  }

  // The stage has another size: what is in the middle stays there.
  resize() {
    const [before, now] = [this.known, this.size];
    this.known = now;
    if (this.fitted) return this.show(this.fitted);
    this.x += (now[0] - before[0]) / 2;
    this.y += (now[1] - before[1]) / 2;
  }

  zoom(factor, [screenX, screenY] = this.size.map((length) => length / 2)) {
    const scale = Math.min(Math.max(this.scale * factor, 0.02), LARGEST);
    this.x = screenX - ((screenX - this.x) * scale) / this.scale;
    this.y = screenY - ((screenY - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = null;
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = null;
  }

  // Moves as little as is needed for a point to be seen.
  reveal(x, y) {
    const [screenX, screenY] = this.toScreen(x, y), [width, height] = this.size, near = 2 * MARGIN;
    this.x += Math.max(near - screenX, 0) - Math.max(screenX - (width - near), 0);
    this.y += Math.max(near - screenY, 0) - Math.max(screenY - (height - near), 0);
  }
}
