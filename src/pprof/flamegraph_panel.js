// flamegraph_panel.js: what the page tells of a box, and the table of functions. Names come from anywhere, so all text
// goes into the page as text, never as HTML.

const element = id => document.getElementById(id);

function make(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
}

// Text that is read from right to left, or turns what follows it, turns nothing but itself.
const isolate = text => `\u2068${text}\u2069`;

// What a reader chooses here: a box, a function by its name, the value of a label.
class Panel {
    constructor(model, picture, {focus, findFunction, filter}) {
        Object.assign(this, {model, picture, focus, findFunction, filter});
        this.sortBy = model.compares ? 'change' : 'flat';
    }

    // Where most of it is.
    placeOf(box) {
        const {model} = this, [[place]] = model.lines(box).concat([['']]);
        return place || (box === ROOT ? '' : model.files[model.functionOf[box]][0] || '');
    }

    link(textContent, onclick) {
        return make('button', {className: 'link', type: 'button', textContent, onclick});
    }

    // [what, value, remarks, class] for tooltip and details.
    figures(box) {
        const {model} = this, {now, before} = model, rows = [], parent = model.parent[box];
        const row = (what, side, of) =>
            rows.push([what, model.format(of[box]), formatShare(of[box], side.total) + ' of total', '']);
        const ofCaller = side => formatShare(side.cum[box], side.cum[parent]);
        row('cum', now, now.cum);
        if (model.compares)
            row('before', before, before.cum);
        row('flat', now, now.flat);
        if (model.compares) {
            row('before', before, before.flat);
            const points = 100 * model.changeOf(box);
            rows.push(['change', this.points(points), 'of the total', this.direction(points)]);
        }
        if (parent > ROOT)
            rows.push(['of caller', ofCaller(now), model.compares ? `before ${ofCaller(before)}` : '', '']);
        return rows;
    }

    points(points) {
        return (points > 0 ? '+' : points < 0 ? '\u2212' : '') + twoDigits(Math.abs(points)) + ' points';
    }

    direction(points) {
        return points > 0 ? 'more' : points < 0 ? 'less' : '';
    }

    figureList(rows) {
        return rows.flatMap(([what, value, remark, className]) =>
            [make('dt', {textContent: what}),
             make('dd', {className}, value, make('small', {textContent: remark}))]);
    }

    describe(box) {
        const figures = this.figures(box).map(row => row.slice(0, 3).join(' ').trim());
        const inlined = this.model.inlined[box] ? ['inlined'] : [];
        return [this.model.nameOf(box), ...inlined, ...figures].join(', ');
    }

    // box: -1 for none.
    fillDetails(box) {
        const {model} = this;
        element('details').hidden = box < 0;
        element('copied').textContent = '';
        if (box < 0)
            return;
        const id = model.functionOf[box];
        element('name').textContent = model.nameOf(box);
        element('place').textContent = [this.placeOf(box), box > ROOT && model.inlined[box] ? 'inlined' : '']
            .filter(Boolean).join(', ');
        const rows = this.figures(box);
        if (box > ROOT && model.boxesOfFunction[id] > 1) {
            const {functionCum, functionFlat, total} = model.now;
            const remark = `${formatShare(functionCum[id], total)} of total, ${model.format(functionFlat[id])} flat`;
            rows.push([`in ${model.boxesOfFunction[id]} places`, model.format(functionCum[id]), remark, '']);
        }
        element('figures').replaceChildren(...this.figureList(rows));
        element('lines').replaceChildren(...this.shares(box));
        element('find').disabled = element('copy').disabled = box === ROOT;
        element('zoom').disabled = box === this.picture.focus;
        const callers = [ROOT, ...model.path(box)].slice(0, -1).reverse();
        element('callers').replaceChildren(...callers.map(caller =>
            make('li', {}, this.link(model.nameOf(caller), () => this.focus(caller)))));
        element('callers-title').hidden = callers.length === 0;
    }

    // By line, and by each label, what a box is made of.
    shares(box) {
        const {model} = this, parts = [];
        const part = (heading, rows, onclick) => {
            const total = rows.reduce((sum, [, value]) => sum + Math.abs(value), 0);
            const cells = rows.slice(0, 5).flatMap(([what, value]) => [
                make('span', {title: what}, onclick ? this.link(what, () => onclick(what)) : what),
                make('span', {textContent: model.format(value)}),
                make('span', {textContent: formatShare(value, total), className: 'share'})]);
            parts.push(make('h3', {textContent: heading}), make('div', {className: 'shares'}, ...cells));
        };
        const lines = box > ROOT ? model.lines(box) : [];
        if (lines.length > 1)
            part('By line', lines);
        for (const [key, values] of model.labelValues(box, false)) {
            if (values.some(([value]) => value !== null))
                part(`By ${key}`, values.map(([value, weight]) => [value === null ? '(none)' : value, weight]),
                     value => this.filter(key, values.some(each => each[0] === value) ? value : null));
        }
        return parts;
    }

    fillFunctions() {
        const {model} = this, columns = model.compares ? ['cum', 'change'] : ['flat', 'cum'];
        element('heaviest-title').textContent = model.compares ? 'Most changed functions' : 'Heaviest functions';
        columns.forEach((column, index) => {
            const head = element(['first-head', 'second-head'][index]);
            head.setAttribute('aria-sort', column === this.sortBy ? 'descending' : 'none');
            head.replaceChildren(make('button', {type: 'button', textContent: column === 'change' ? 'points' : column,
                                                 onclick: () => this.sort(column)}));
        });
        element('functions').replaceChildren(...this.heaviestFunctions(40).map(id => this.functionRow(id, columns)));
    }

    functionChange(id) {
        return this.model.change(this.model.now.functionCum[id], this.model.before.functionCum[id]);
    }

    heaviestFunctions(limit) {
        const {model} = this, {functionFlat, functionCum} = model.now;
        const weigh = {flat: id => functionFlat[id], cum: id => functionCum[id],
                       change: id => this.functionChange(id)}[this.sortBy];
        const weights = Float64Array.from(model.names, (name, id) =>
            model.boxesOfFunction[id] > 0 ? Math.abs(weigh(id)) : -1);
        const byWeight = (a, b) => weights[b] - weights[a] || Math.abs(functionCum[b]) - Math.abs(functionCum[a]) ||
                                   (model.names[a] < model.names[b] ? -1 : 1);
        // Of a hundred thousand functions few are compared by more than their weights.
        const least = Math.max(0, weights.slice().sort().at(-limit) ?? 0);
        return [...weights.keys()].filter(id => weights[id] >= least).sort(byWeight).slice(0, limit);
    }

    functionRow(id, columns) {
        const {model} = this, {functionFlat, functionCum, total} = model.now, title = model.names[id];
        const name = make('td', {title}, this.link(title, () => this.findFunction(title)));
        const bar = {flat: functionFlat, cum: functionCum}[this.sortBy];
        name.style.setProperty('--share', bar && total > 0 ? Math.abs(bar[id]) / total * 100 + '%' : '0%');
        return make('tr', {}, name, ...columns.map(column => {
            if (column !== 'change') {
                const value = {flat: functionFlat, cum: functionCum}[column][id];
                return make('td', {textContent: model.format(value), title: formatShare(value, total)});
            }
            const points = 100 * this.functionChange(id);
            return make('td', {textContent: this.points(points).replace(' points', ''),
                               title: 'percentage points of the total', className: this.direction(points)});
        }));
    }

    sort(column) {
        this.sortBy = column;
        this.fillFunctions();
    }

    fillLegend() {
        const {model, picture} = this;
        const entry = (color, text) => {
            const swatch = make('i');
            swatch.style.background = color;
            return make('span', {}, swatch, text);
        };
        const entries = [];
        if (model.compares || model.hasNegative) {
            entries.push(entry(picture.colorOfChange(1), '+ more'), entry(picture.colorOfChange(0), 'unchanged'),
                         entry(picture.colorOfChange(-1), '\u2212 less'));
            if (model.compares)
                entries.push(make('span', {textContent: 'width: mean of the shares in both profiles'}));
        } else {
            const present = new Set(model.kinds.filter((kind, id) => model.boxesOfFunction[id] > 0));
            KINDS.forEach(({name}, kind) => {
                if (present.has(kind))
                    entries.push(entry(picture.colorOfKind(kind, 7), name));
            });
        }
        if (model.inlined.includes(1))
            entries.push(make('em', {textContent: 'inlined into its caller'}));
        element('legend').replaceChildren(...entries);
    }
}
