// flamegraph_canvas.js: draws the boxes of a model that are in sight, and says which one is where.

const ROW_HEIGHT = 20;
const NARROWEST = 1;        // narrower boxes are drawn as one, and cannot be pointed at
const TEXT_FROM = 26;       // width of a box that has room for letters
const FONT = '12px ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';
const HUES = 5;             // in which a kind's files differ; each in three lightnesses

// Hue, saturation and lightness of each kind, as numbered in flamegraph_tree.h; hueRange is how far files differ.
const KINDS = [
    {name: 'program', light: [28, 70, 80], dark: [26, 36, 36], hueRange: 16},
    {name: 'libraries', light: [86, 30, 79], dark: [86, 18, 32], hueRange: 14},
    {name: 'libc and runtime', light: [190, 28, 80], dark: [192, 22, 33], hueRange: 8},
    {name: 'system calls and kernel', light: [250, 36, 86], dark: [250, 18, 41], hueRange: 8},
    {name: 'no code', light: [40, 6, 87], dark: [40, 4, 30], hueRange: 0},
];

const THEMES = {
    light: {background: '#ffffff', text: '#26221c', match: '#e58ac6', faint: 0.28, narrow: '#e4e1dc', root: '#eeebe6',
            more: [8, 74], less: [214, 62], same: 91, strongest: 66},
    dark: {background: '#1c1b1a', text: '#f0ece5', match: '#ad3f8b', faint: 0.3, narrow: '#34312e', root: '#302d2a',
           more: [6, 48], less: [214, 42], same: 27, strongest: 44},
};

function hsl([hue, saturation, lightness]) {
    return `hsl(${hue} ${saturation}% ${lightness}%)`;
}

function hashOf(text) {
    let hash = 2166136261;
    for (let i = 0; i < text.length; i++)
        hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
    return (hash ^ hash >>> 15) >>> 0;
}

class Picture {
    constructor(model, scroller, canvas, space) {
        Object.assign(this, {model, scroller, canvas, space});
        this.context = canvas.getContext('2d');
        this.focus = ROOT;
        this.flames = false;
        this.found = null;
        this.theme = 'light';
        this.fullHeight = false; // for printing
        // Functions of a file have a hue in common.
        this.shadeOf = model.names.map((name, id) => hashOf(model.files[id][0] || name) % HUES * 3 + hashOf(name) % 3);
    }

    // --- where boxes are ---

    get width() {
        return this.scroller.clientWidth;
    }

    get height() {
        return this.rows * ROW_HEIGHT;
    }

    // What is wide enough to be drawn: of the focus all that is under it, and its callers over the whole width.
    layOut() {
        const {model, width} = this, {weight, left, childStart, children} = model;
        this.boxes = [];
        this.xs = [];
        this.widths = [];
        this.narrow = []; // x, row, width: boxes too narrow to be drawn each
        const scale = weight[this.focus] > 0 ? width / weight[this.focus] : 0;
        const add = (box, x, boxWidth) => {
            this.boxes.push(box);
            this.xs.push(x);
            this.widths.push(boxWidth);
        };
        add(ROOT, 0, width);
        for (const box of model.path(this.focus))
            add(box, 0, width);
        this.rows = this.boxes.length;
        this.pathLength = this.boxes.length - 1;
        const stack = scale > 0 ? [this.focus] : [];
        while (stack.length > 0) {
            const parent = stack.pop();
            for (let i = childStart[parent]; i < childStart[parent + 1]; i++) {
                const box = children[i], boxWidth = weight[box] * scale;
                const x = (left[box] - left[this.focus]) * scale;
                this.rows = Math.max(this.rows, boxWidth > 0 ? model.depth[box] + 1 : 0);
                if (boxWidth < NARROWEST) { // so are those behind it: children are sorted
                    const last = children[childStart[parent + 1] - 1];
                    const end = (left[last] + weight[last] - left[this.focus]) * scale;
                    if (end - x >= 0.5)
                        this.narrow.push(x, model.depth[box], end - x);
                    break;
                }
                add(box, x, boxWidth);
                stack.push(box);
            }
        }
        this.indexOf = new Map(this.boxes.map((box, index) => [box, index]));
        this.resize();
    }

    resize() {
        const sight = this.fullHeight ? Math.min(this.height, 12000) : this.scroller.clientHeight;
        const ratio = window.devicePixelRatio || 1;
        this.sight = sight;
        this.canvas.width = Math.max(1, Math.round(this.width * ratio));
        this.canvas.height = Math.max(1, Math.round(sight * ratio));
        this.canvas.style.width = this.width + 'px';
        this.canvas.style.height = sight + 'px';
        this.space.style.height = Math.max(0, this.height - sight) + 'px';
        this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    }

    // The upper edge of a row, from the top of what can be scrolled. Flames stand on the floor.
    rowTop(row) {
        return this.flames ? Math.max(this.height, this.sight) - (row + 1) * ROW_HEIGHT : row * ROW_HEIGHT;
    }

    rectangle(box) {
        const index = this.indexOf.get(box);
        if (index === undefined)
            return null;
        return {left: this.xs[index], top: this.rowTop(this.model.depth[box]), width: this.widths[index],
                height: ROW_HEIGHT};
    }

    // The box at a point of what can be scrolled; -1: none.
    boxAt(x, y) {
        const row = Math.floor((this.flames ? Math.max(this.height, this.sight) - y : y) / ROW_HEIGHT);
        const {model} = this;
        if (row < 0 || x < 0 || x >= this.width)
            return -1;
        if (row <= this.pathLength)
            return this.boxes[row];
        const position = model.left[this.focus] + x / this.width * model.weight[this.focus];
        let box = this.focus;
        while (model.depth[box] < row) {
            let next = -1;
            for (let i = model.childStart[box]; i < model.childStart[box + 1] && next < 0; i++) {
                const child = model.children[i];
                if (position >= model.left[child] && position < model.left[child] + model.weight[child])
                    next = child;
            }
            if (next < 0)
                return -1;
            box = next;
        }
        return this.indexOf.has(box) ? box : -1;
    }

    // --- how they look ---

    colorOfKind(kind, shade) {
        const {hueRange, [this.theme]: [hue, saturation, lightness]} = KINDS[kind];
        const step = Math.floor(shade / 3) / (HUES - 1) - 0.5;
        return hsl([hue + step * hueRange, saturation, lightness + (hueRange > 0 ? (shade % 3 - 1) * 1.6 : 0)]);
    }

    // -1: all of it is gone, 1: all of it is new; in sixteen steps.
    colorOfChange(ratio) {
        const {more, less, same, strongest} = THEMES[this.theme];
        const step = Math.max(-8, Math.min(8, Math.round(ratio * 8))) / 8, [hue, saturation] = step > 0 ? more : less;
        const strength = Math.abs(step);
        return hsl([hue, saturation * Math.min(1, strength * 1.6), same + (strongest - same) * strength]);
    }

    // Of a comparison or a difference, as colorOfChange has it; null: this is neither.
    changeOf(box) {
        const {model} = this;
        if (model.compares)
            return model.weight[box] > 0 ? model.changeOf(box) / (2 * model.weight[box]) : 0;
        return model.hasNegative && model.now.magnitude[box] > 0 ? model.now.cum[box] / model.now.magnitude[box] : null;
    }

    color(box) {
        const {model, found} = this, id = model.functionOf[box], change = this.changeOf(box);
        if (box === ROOT)
            return THEMES[this.theme].root;
        if (found && found.functions[id])
            return THEMES[this.theme].match;
        return change !== null ? this.colorOfChange(change) : this.colorOfKind(model.kinds[id], this.shadeOf[id]);
    }

    // A box's letters. What a colour says is said by a sign, too: not everybody tells red from blue.
    label(box) {
        const change = box === ROOT ? 0 : Math.round(this.changeOf(box) * 8);
        return (change > 0 ? '+ ' : change < 0 ? '\u2212 ' : '') + this.model.nameOf(box);
    }

    isFaint(index) {
        const box = this.boxes[index];
        return this.found !== null && (box === ROOT || !this.found.functions[this.model.functionOf[box]]);
    }

    draw() {
        const {context, model} = this, theme = THEMES[this.theme];
        const scrolled = this.fullHeight ? 0 : this.scroller.scrollTop;
        context.globalAlpha = 1;
        context.fillStyle = theme.background;
        context.fillRect(0, 0, this.width, this.sight);
        const isInSight = top => top > -ROW_HEIGHT && top < this.sight;
        const byColor = new Map(), withText = [];
        for (let index = 0; index < this.boxes.length; index++) {
            if (!isInSight(this.rowTop(model.depth[this.boxes[index]]) - scrolled))
                continue;
            const color = this.color(this.boxes[index]);
            const alpha = this.isFaint(index) ? theme.faint : index < this.pathLength ? 0.6 : 1;
            const key = color + alpha;
            if (!byColor.has(key))
                byColor.set(key, {color, alpha, indexes: []});
            byColor.get(key).indexes.push(index);
            if (this.widths[index] >= TEXT_FROM)
                withText.push(index);
        }
        for (const {color, alpha, indexes} of byColor.values()) {
            context.fillStyle = color;
            context.globalAlpha = alpha;
            for (const index of indexes)
                this.fill(this.xs[index], this.rowTop(model.depth[this.boxes[index]]) - scrolled, this.widths[index]);
        }
        context.globalAlpha = 1;
        context.fillStyle = theme.narrow;
        for (let i = 0; i < this.narrow.length; i += 3) {
            const top = this.rowTop(this.narrow[i + 1]) - scrolled;
            if (isInSight(top))
                this.fill(this.narrow[i], top, this.narrow[i + 2]);
        }
        this.write(withText, scrolled);
    }

    fill(x, top, width) {
        this.context.fillRect(x, top, width > 3 ? width - 1 : width * 0.8, ROW_HEIGHT - 1);
    }

    write(indexes, scrolled) {
        const {context, model} = this, theme = THEMES[this.theme];
        context.textBaseline = 'middle';
        context.fillStyle = theme.text;
        for (const isInlined of [0, 1]) {
            context.font = (isInlined ? 'italic ' : '') + FONT;
            const letter = context.measureText('m'.repeat(20)).width / 20;
            for (const index of indexes) {
                const box = this.boxes[index];
                if (model.inlined[box] !== isInlined)
                    continue;
                const room = Math.floor((this.widths[index] - 9) / letter);
                const name = this.label(box);
                const text = name.length <= room ? name : room > 2 ? name.slice(0, room - 1) + '\u2026' : '';
                context.globalAlpha = this.isFaint(index) ? 0.7 : 1;
                if (text !== '')
                    context.fillText(text, this.xs[index] + 4, this.rowTop(model.depth[box]) - scrolled + 10,
                                     this.widths[index] - 6);
            }
        }
        context.globalAlpha = 1;
    }
}
