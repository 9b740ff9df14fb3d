// Two images, and what each location of one matched in the other. Locations are counted row by row.

const NS = "http://www.w3.org/2000/svg";
const HEIGHT = 256;
const GAP = 64;

const make = (name, attributes, parent) => {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent?.append(element);
  return element;
};
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

export class PairView {
  // svg: where; told: the live text; facts: of the API.
  constructor(svg, told, facts) {
    [this.rows, this.columns] = facts.locations;
    this.width = (HEIGHT * facts.image[1]) / facts.image[0];
    this.svg = svg;
    this.told = told;
    this.heat = false;
    this.lines = 12;
    svg.setAttribute("viewBox", `0 0 ${2 * this.width + GAP} ${HEIGHT}`);
    this.sides = ["query", "result"].map((name, number) => this.#side(name, number));
    this.over = make("g", { "aria-hidden": "true", "pointer-events": "none" }, svg);
  }

  // pair: of the API, and how both images are called and where they lie.
  show(pair, images) {
    this.pair = pair;
    this.parts = [pair.query, pair.result];
    this.point = null;
    this.sides.forEach((side, number) => {
      side.image.setAttribute("href", images[number].source);
      side.group.setAttribute(
        "aria-label",
        `${images[number].name}: ${this.rows} rows and ${this.columns} columns of locations; arrow keys go through them`,
      );
    });
    this.draw();
  }

  draw() {
    this.over.replaceChildren();
    if (!this.pair) return;
    const greatest = Math.max(...this.parts.flatMap((side) => side.part.map(Math.abs))) || 1;
    if (this.heat) this.#heat(greatest);
    this.point ? this.#pointed(greatest) : this.#strongest();
  }

  clear() {
    this.point = null;
    this.draw();
  }

  #side(name, number) {
    const x = number * (this.width + GAP);
    const group = make("g", { class: "side", tabindex: "0", role: "application", "data-side": name }, this.svg);
    const image = make("image", { x, y: 0, width: this.width, height: HEIGHT, preserveAspectRatio: "none" }, group);
    make("rect", { class: "frame", x: x + 1, y: 1, width: this.width - 2, height: HEIGHT - 2 }, group);
    const follow = (event) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
      const column = Math.floor(((at.x - x) / this.width) * this.columns);
      const row = Math.floor((at.y / HEIGHT) * this.rows);
      this.#go(number, row, column);
    };
    group.addEventListener("pointermove", follow);
    group.addEventListener("pointerdown", follow);
    group.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.clear());
    group.addEventListener("keydown", (event) => this.#key(event, number));
    return { x, group, image };
  }

  #key(event, number) {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key === "Escape") {
      this.clear();
    } else if (event.key in steps) {
      event.preventDefault();
      const [down, right] = steps[event.key];
      if (this.point?.side !== number) {
        this.#go(number, Math.floor(this.rows / 2), Math.floor(this.columns / 2));
        return;
      }
      const [row, column] = this.#where(this.point.location);
      this.#go(number, row + down, column + right);
    }
  }

  #go(side, row, column) {
    if (!this.pair) return;
    const within = (value, size) => Math.min(Math.max(value, 0), size - 1);
    const location = within(row, this.rows) * this.columns + within(column, this.columns);
    if (this.point?.side === side && this.point.location === location) return;
    this.point = { side, location };
    this.draw();
  }

  #where(location) {
    return [Math.floor(location / this.columns), location % this.columns];
  }

  #name(side, location) {
    const [row, column] = this.#where(location);
    return `${side ? "result" : "query"} row ${row + 1}, column ${column + 1}`;
  }

  // Lower in each column than in the one before: else lines between two rows lie on each other.
  #middle(side, location) {
    const [row, column] = this.#where(location);
    const down = 0.5 + 0.6 * ((column + 0.5) / this.columns - 0.5);
    return [
      this.sides[side].x + ((column + 0.5) * this.width) / this.columns,
      ((row + down) * HEIGHT) / this.rows,
    ];
  }

  #strongest() {
    const shown = this.pair.matches.slice(0, this.lines);
    const greatest = Math.max(...shown.map((match) => Math.abs(match.part)), 1e-12);
    for (const match of shown.toReversed()) this.#line(match.query, match.result, match.part, Math.abs(match.part) / greatest);
    const against = this.pair.matches.filter((match) => match.part < 0).length;
    this.told.textContent =
      `${this.pair.matches.length} of ${this.rows * this.columns} locations have a match that is each other's best: ` +
      `${this.pair.matches.length - against} speak for it, ${against} against; ${shown.length} are drawn.`;
  }

  #pointed(greatest) {
    const { side, location } = this.point;
    const [here, there] = [this.parts[side], this.parts[1 - side]];
    const best = here.best[location];
    const back = there.best.flatMap((own, other) => (own === location && other !== best ? [other] : []));
    const between = (other) => (side ? [other, location] : [location, other]);
    for (const other of back) this.#line(...between(other), there.part[other], Math.abs(there.part[other]) / greatest / 2);
    this.#line(...between(best), here.part[location], Math.max(Math.abs(here.part[location]) / greatest, 0.3));
    this.#location(side, location);
    this.#location(1 - side, best);
    const mutual = there.best[best] === location ? ", each other's best" : "";
    const also = back.length ? ` ${back.length} more of the ${side ? "query" : "result"} match it best.` : "";
    this.told.textContent =
      `${this.#name(side, location)} is most like ${this.#name(1 - side, best)}: correlation ` +
      `${here.maximum[location].toFixed(2)}${mutual}; its part of the score ${signed(here.part[location])} speaks ` +
      `${here.part[location] < 0 ? "against" : "for"} a match.${also}`;
  }

  #line(query, result, part, share) {
    const [x1, y1] = this.#middle(0, query);
    const [x2, y2] = this.#middle(1, result);
    const kind = part < 0 ? "against" : "for";
    const width = 1.2 + 3.5 * Math.min(share, 1);
    make("line", { class: "under", x1, y1, x2, y2, "stroke-width": width + 1.6 }, this.over);
    make("line", { class: kind, x1, y1, x2, y2, "stroke-width": width }, this.over);
    for (const [cx, cy] of [[x1, y1], [x2, y2]]) make("circle", { class: kind, cx, cy, r: width / 2 + 1.4 }, this.over);
  }

  #cell(side, location) {
    const [row, column] = this.#where(location);
    const [width, height] = [this.width / this.columns, HEIGHT / this.rows];
    return { x: this.sides[side].x + column * width, y: row * height, width, height };
  }

  #location(side, location) {
    const cell = this.#cell(side, location);
    make("rect", { class: "location", ...cell }, this.over);
    make("rect", { class: "location in", ...cell }, this.over);
  }

  #heat(greatest) {
    this.parts.forEach((side, number) => {
      side.part.forEach((part, location) => {
        const opacity = 0.8 * (Math.abs(part) / greatest) ** 0.7;
        make("rect", { class: part < 0 ? "against" : "for", ...this.#cell(number, location), opacity }, this.over);
      });
    });
  }
}
