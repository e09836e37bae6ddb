// flamegraph_model.js: the page's data as a tree of boxes with their values; it knows nothing of how they are drawn.
'use strict';

// --- values as measure.c prints them ---

const UNIT_FAMILIES = [
    {fallback: ['B', 1], units: [
        ['B', 1, 'b', 'byte'], ['kB', 2 ** 10, 'kb', 'kbyte', 'kilobyte'], ['MB', 2 ** 20, 'mb', 'mbyte', 'megabyte'],
        ['GB', 2 ** 30, 'gb', 'gbyte', 'gigabyte'], ['TB', 2 ** 40, 'tb', 'tbyte', 'terabyte'],
        ['PB', 2 ** 50, 'pb', 'pbyte', 'petabyte']]},
    {fallback: ['s', 1e9], units: [
        ['ns', 1, 'ns', 'nanosecond'], ['us', 1e3, 'us', 'microsecond'], ['ms', 1e6, 'ms', 'millisecond'],
        ['s', 1e9, 's', 'sec', 'second'], ['hrs', 3600e9, 'hour', 'hr']]},
    {fallback: ['GCU', 1], units: [
        ['n*GCU', 1e-9, 'nanogcu'], ['u*GCU', 1e-6, 'microgcu'], ['m*GCU', 1e-3, 'milligcu'], ['GCU', 1, 'gcu'],
        ['k*GCU', 1e3, 'kilogcu'], ['M*GCU', 1e6, 'megagcu'], ['G*GCU', 1e9, 'gigagcu'], ['T*GCU', 1e12, 'teragcu'],
        ['P*GCU', 1e15, 'petagcu']]},
];

// Ties, which only odd multiples of 1/8 are, go to the even digit as in C: .12, .38, .62, .88.
function twoDigits(value) {
    const isRoundedDown = [1, 5].includes(value * 8 % 8);
    return (isRoundedDown ? value - 0.005 : value).toFixed(2);
}

function formatValue(value, unit) {
    let name = unit.toLowerCase();
    if (name.length > 2 && name.endsWith('s'))
        name = name.slice(0, -1);
    let scaled = Math.abs(value), suffix = '';
    for (const {fallback, units} of UNIT_FAMILIES) {
        const source = units.find(([, , ...aliases]) => aliases.includes(name));
        if (!source)
            continue;
        const plain = scaled * source[1];
        const [target, factor] = units.filter(([, size]) => plain / size >= 1).pop() || fallback;
        scaled = plain / factor;
        suffix = target;
    }
    const text = twoDigits(scaled).replace(/\.00$/, '');
    return text === '0' ? '0' : (value < 0 ? '-' : '') + text + suffix;
}

function formatShare(value, total) {
    const ratio = total === 0 ? 0 : Math.abs(value / total) * 100;
    if (ratio >= 99.95 && ratio <= 100.05)
        return '100%';
    if (ratio >= 1 || ratio === 0)
        return (ratio === 0 ? '0' : twoDigits(ratio)) + '%';
    if (ratio >= 1e-4)
        return Number(ratio.toPrecision(2)) + '%';
    return ratio.toExponential(1).replace('.0e', 'e').replace(/-(\d)$/, '-0$1') + '%';
}

// --- the tree ---

const ROOT = 0;

// It has no values before it is weighed.
class Model {
    constructor(data) {
        this.data = data;
        this.readFunctions();
        this.readNodes();
        this.readLabels();
        this.type = data.type;
        this.filter = new Map(); // label key -> value; null: samples without that label
    }

    // A function is a name, as in the top table, and may have several files.
    readFunctions() {
        const {strings, frames} = this.data, idOfName = new Map();
        this.names = [];
        this.files = [];
        this.kinds = [];
        this.functionOfFrame = new Int32Array(frames.length / 4);
        for (let i = 0; i < frames.length; i += 4) {
            const name = frames[i], file = strings[frames[i + 1]];
            if (!idOfName.has(name)) {
                idOfName.set(name, this.names.length);
                this.names.push(strings[name]);
                this.files.push([]);
                this.kinds.push(frames[i + 3] >> 1);
            }
            const id = this.functionOfFrame[i / 4] = idOfName.get(name);
            if (file !== '' && !this.files[id].includes(file))
                this.files[id].push(file);
        }
        this.functionCount = this.names.length;
    }

    // The data's nodes differ by line; boxes do not, and in a comparison not by what is inlined either, which builds
    // differ in. Parents come before their children in both.
    readNodes() {
        const {nodes, frames} = this.data;
        const count = nodes.length / 2 + 1;
        this.frameOf = new Int32Array(count);
        this.nodeParent = new Int32Array(count);
        this.boxOf = new Int32Array(count);
        const parents = [-1], functions = [-1], inlined = [0], depths = [0], known = new Map();
        for (let node = 1; node < count; node++) {
            const frame = this.frameOf[node] = nodes[2 * node - 1];
            const parentNode = this.nodeParent[node] = node - nodes[2 * node - 2];
            const parent = this.boxOf[parentNode];
            const id = this.functionOfFrame[frame], isInlined = frames[4 * frame + 3] & 1;
            const key = (parent * this.functionCount + id) * 2 + (this.compares ? 0 : isInlined);
            let box = known.get(key);
            if (box === undefined) {
                box = parents.length;
                known.set(key, box);
                parents.push(parent);
                functions.push(id);
                inlined.push(isInlined);
                depths.push(depths[parent] + 1);
            }
            this.boxOf[node] = box;
        }
        this.boxCount = parents.length;
        this.parent = Int32Array.from(parents);
        this.functionOf = Int32Array.from(functions);
        this.inlined = Uint8Array.from(inlined);
        this.depth = Int32Array.from(depths);
        this.listChildren();
    }

    // The children of box b are children[childStart[b]] up to children[childStart[b + 1]]; its nodes likewise.
    listChildren() {
        const boxes = Int32Array.from({length: this.boxCount - 1}, (_, i) => i + 1);
        [this.childStart, this.children] = this.groupByBox(boxes, this.parent);
        const nodes = Int32Array.from({length: this.boxOf.length - 1}, (_, i) => i + 1);
        [this.nodeStart, this.nodesOfBoxes] = this.groupByBox(nodes, this.boxOf);
        this.markOutermost();
    }

    // 1 for each box that is under none of the same function.
    markOutermost() {
        this.isOutermost = new Uint8Array(this.boxCount);
        const onPath = new Int32Array(this.functionCount), stack = [ROOT]; // ~box: all under it has been seen
        while (stack.length > 0) {
            const box = stack.pop();
            if (box < 0) {
                onPath[this.functionOf[~box]]--;
                continue;
            }
            if (box !== ROOT) {
                this.isOutermost[box] = onPath[this.functionOf[box]]++ === 0;
                stack.push(~box);
            }
            for (let i = this.childStart[box]; i < this.childStart[box + 1]; i++)
                stack.push(this.children[i]);
        }
    }

    groupByBox(items, boxOfItem) {
        const start = new Int32Array(this.boxCount + 1), grouped = new Int32Array(items.length);
        for (const item of items)
            start[boxOfItem[item] + 1]++;
        for (let box = 0; box < this.boxCount; box++)
            start[box + 1] += start[box];
        const next = start.slice();
        for (const item of items)
            grouped[next[boxOfItem[item]]++] = item;
        return [start, grouped];
    }

    readLabels() {
        const {strings, labels} = this.data;
        this.labelSets = labels.map(set => {
            const pairs = [];
            for (let i = 0; i < set.length; i += 2)
                pairs.push([strings[set[i]], strings[set[i + 1]]]);
            return pairs;
        });
        this.labelKeys = [...new Set(this.labelSets.flat().map(([key]) => key))].sort();
    }

    get unit() {
        return this.data.types[this.type][1];
    }

    get compares() {
        return this.data.base !== undefined;
    }

    format(value) {
        return formatValue(value, this.unit);
    }

    // --- values of the chosen type and labels ---

    setsThatPass(except) {
        const wanted = [...this.filter].filter(([key]) => key !== except);
        return this.labelSets.map(pairs => wanted.every(([key, value]) => value === null
            ? !pairs.some(pair => pair[0] === key) : pairs.some(pair => pair[0] === key && pair[1] === value)));
    }

    forEachSample(side, visit) {
        const samples = this.data[side].samples, step = 2 + this.data.types.length;
        for (let i = 0; i < samples.length; i += step)
            visit(samples[i], samples[i + 1], samples[i + 2 + this.type]);
    }

    // flat, cum and magnitude of each box; magnitude is cum unless there are negative values (a difference).
    sumUp(side) {
        const nodeCum = new Float64Array(this.nodeParent.length), passes = this.setsThatPass();
        const flat = new Float64Array(this.boxCount), cum = new Float64Array(this.boxCount);
        let hasNegative = false;
        this.forEachSample(side, (node, set, value) => {
            if (!passes[set])
                return;
            hasNegative = hasNegative || value < 0;
            nodeCum[node] += value;
            flat[this.boxOf[node]] += value;
        });
        for (let node = nodeCum.length - 1; node >= 0; node--) {
            cum[this.boxOf[node]] += nodeCum[node];
            if (node > 0)
                nodeCum[this.nodeParent[node]] += nodeCum[node];
        }
        const magnitude = hasNegative ? this.magnitudes(side, passes) : cum;
        return {nodeCum, flat, cum, magnitude, total: magnitude[ROOT]};
    }

    magnitudes(side, passes) {
        const sums = new Float64Array(this.boxCount);
        this.forEachSample(side, (node, set, value) => {
            sums[this.boxOf[node]] += passes[set] ? Math.abs(value) : 0;
        });
        for (let box = this.boxCount - 1; box > 0; box--)
            sums[this.parent[box]] += sums[box];
        return sums;
    }

    weigh() {
        this.now = this.sumUp('profile');
        this.before = this.compares ? this.sumUp('base') : null;
        this.weight = this.now.magnitude;
        if (this.compares) { // both count as much, however long they took
            const scales = [this.now, this.before].map(side => side.total > 0 ? 1 / side.total : 0);
            this.weight = this.now.magnitude.map((value, box) =>
                (value * scales[0] + this.before.magnitude[box] * scales[1]) / 2);
        }
        this.hasNegative = this.now.magnitude !== this.now.cum;
        this.place();
        this.sumUpFunctions();
    }

    // Heaviest child first; what a box has for itself is at its right.
    place() {
        const {weight, children, childStart} = this;
        this.left = new Float64Array(this.boxCount);
        for (let box = 0; box < this.boxCount; box++) {
            const start = childStart[box], end = childStart[box + 1];
            if (end - start > 1)
                children.subarray(start, end).sort((a, b) => weight[b] - weight[a] || a - b);
            let left = this.left[box];
            for (let i = start; i < end; i++) {
                this.left[children[i]] = left;
                left += weight[children[i]];
            }
        }
    }

    // Of each function over all its boxes; a recursive one counts once.
    sumUpFunctions() {
        const sides = this.compares ? [this.now, this.before] : [this.now];
        for (const side of sides) {
            side.functionFlat = new Float64Array(this.functionCount);
            side.functionCum = new Float64Array(this.functionCount);
        }
        this.boxesOfFunction = new Int32Array(this.functionCount);
        for (let box = ROOT + 1; box < this.boxCount; box++) {
            if (this.weight[box] > 0)
                this.boxesOfFunction[this.functionOf[box]]++;
        }
        for (const {flat, cum, functionFlat, functionCum} of sides) {
            for (let box = ROOT + 1; box < this.boxCount; box++) {
                functionFlat[this.functionOf[box]] += flat[box];
                functionCum[this.functionOf[box]] += this.isOutermost[box] * cum[box];
            }
        }
    }

    // How much larger a share of its profile something has than of the base: -1 to 1.
    change(now, before) {
        const share = (value, side) => side.total > 0 ? value / side.total : 0;
        return share(now, this.now) - share(before, this.before);
    }

    changeOf(box) {
        return this.change(this.now.cum[box], this.before.cum[box]);
    }

    // --- questions about a box ---

    nameOf(box) {
        return box === ROOT ? 'all' : this.names[this.functionOf[box]];
    }

    path(box) {
        const boxes = [];
        for (; box !== ROOT; box = this.parent[box])
            boxes.unshift(box);
        return boxes;
    }

    // "main;serve;write", as in folded stacks.
    stackOf(box) {
        return this.path(box).map(each => this.foldedName(each)).join(';');
    }

    foldedName(box) {
        return this.nameOf(box).replace(/;/g, ':').replace(/[\x00-\x1f\x7f]/g, ' ');
    }

    // The box of such a stack, or of as much of it as there is.
    findStack(stack) {
        let box = ROOT;
        for (const name of stack.split(';')) {
            const callees = this.children.subarray(this.childStart[box], this.childStart[box + 1]);
            const callee = callees.find(each => this.weight[each] > 0 && this.foldedName(each) === name);
            if (callee === undefined)
                break;
            box = callee;
        }
        return box;
    }

    isUnder(box, ancestor) {
        while (this.depth[box] > this.depth[ancestor])
            box = this.parent[box];
        return box === ancestor;
    }

    // Cum by line, heaviest first: ["src/a.c:12", value].
    lines(box) {
        const {strings, frames} = this.data, places = new Map();
        const {nodeCum} = this.compares && this.now.cum[box] === 0 ? this.before : this.now;
        for (let i = this.nodeStart[box]; i < this.nodeStart[box + 1]; i++) {
            const frame = 4 * this.frameOf[this.nodesOfBoxes[i]], line = frames[frame + 2];
            const place = strings[frames[frame + 1]] + (line > 0 ? ':' + line : '');
            places.set(place, (places.get(place) || 0) + nodeCum[this.nodesOfBoxes[i]]);
        }
        return [...places].filter(([place, value]) => place !== '' && value !== 0)
            .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]) || (a[0] < b[0] ? -1 : 1));
    }

    // For each label key its values within a box, heaviest first: [value, weight]; null: the samples without it. With
    // each key's own filter aside, they are what one may choose instead.
    labelValues(box, isOwnFilterAside) {
        const inside = this.boxesWithin(box), perSet = new Float64Array(this.labelSets.length);
        const side = this.compares && this.now.cum[box] === 0 && !isOwnFilterAside ? 'base' : 'profile';
        this.forEachSample(side, (node, set, value) => {
            if (inside === null || inside[this.boxOf[node]])
                perSet[set] += Math.abs(value);
        });
        return new Map(this.labelKeys.map(key => {
            const passes = this.setsThatPass(isOwnFilterAside ? key : undefined), sums = new Map();
            this.labelSets.forEach((pairs, set) => {
                if (!passes[set] || perSet[set] === 0)
                    return;
                const values = pairs.filter(pair => pair[0] === key).map(pair => pair[1]);
                for (const value of values.length > 0 ? values : [null])
                    sums.set(value, (sums.get(value) || 0) + perSet[set]);
            });
            return [key, [...sums].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))];
        }));
    }

    // 1 for each box that is this one or under it; null: all are.
    boxesWithin(box) {
        if (box === ROOT)
            return null;
        const inside = new Uint8Array(this.boxCount);
        inside[box] = 1;
        for (let each = box + 1; each < this.boxCount; each++)
            inside[each] = inside[this.parent[each]];
        return inside;
    }

    // Which functions match; what they weigh together, each stack counted once; the topmost boxes, heaviest first.
    search(isMatch) {
        const functions = new Uint8Array(this.functionCount), under = new Uint8Array(this.boxCount), boxes = [];
        for (let id = 0; id < this.functionCount; id++)
            functions[id] = isMatch(this.names[id]) || this.files[id].some(isMatch) ? 1 : 0;
        const found = {functions, boxes, now: 0, before: 0, functionCount: 0};
        const counted = new Uint8Array(this.functionCount);
        for (let box = 1; box < this.boxCount; box++) {
            const matches = functions[this.functionOf[box]], covered = under[this.parent[box]];
            under[box] = matches | covered;
            if (!matches || this.weight[box] === 0)
                continue;
            found.functionCount += 1 - counted[this.functionOf[box]];
            counted[this.functionOf[box]] = 1;
            if (covered)
                continue;
            boxes.push(box);
            found.now += this.now.magnitude[box];
            found.before += this.compares ? this.before.magnitude[box] : 0;
        }
        boxes.sort((a, b) => this.weight[b] - this.weight[a] || a - b);
        return found;
    }
}
