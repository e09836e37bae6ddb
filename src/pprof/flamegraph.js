// flamegraph.js: the page around the picture: what its reader chooses, searches and points at.

class Page {
    constructor(data) {
        this.model = new Model(data);
        this.selected = -1;   // boxes; -1: none
        this.pointed = -1;
        this.matchIndex = -1; // in what the search has found
        element('waiting')?.remove(); // what a server has shown so far
        for (const id of ['tools', 'main', 'legend'])
            element(id).hidden = false;
        this.picture = new Picture(this.model, element('graph'), element('canvas'), element('space'));
        this.panel = new Panel(this.model, this.picture, {
            focus: box => this.focus(box), findFunction: name => this.findFunction(name),
            filter: (key, value) => this.filter(key, value),
        });
        this.ring = element('graph').appendChild(make('div', {id: 'ring', hidden: true}));
        this.hover = element('graph').appendChild(make('div', {id: 'hover', hidden: true}));
        this.fillTypes();
        this.fillComments();
        this.listen();
        this.takeTheme();
        this.address = new Address(this);
        this.address.recall();
    }

    // --- from a choice to what is seen ---

    // The type or the labels have changed. stack: what is zoomed into from now on; undefined: what was.
    refresh(stack) {
        this.model.weigh();
        if (stack !== undefined) {
            this.picture.focus = this.model.findStack(stack);
            this.selected = this.picture.focus === ROOT ? -1 : this.picture.focus;
        }
        if (this.model.weight[this.picture.focus] === 0)
            this.picture.focus = ROOT;
        if (this.selected >= 0 && this.model.weight[this.selected] === 0)
            this.selected = -1;
        this.search();
        this.fillFilters();
        this.tellFacts();
        this.panel.fillFunctions();
        this.panel.fillLegend();
        this.show();
    }

    // The focus or the size has changed.
    show() {
        this.picture.layOut();
        if (this.picture.flames)
            element('graph').scrollTop = element('graph').scrollHeight;
        element('whole').disabled = this.picture.focus === ROOT;
        this.picture.draw();
        this.tellNothing();
        this.address.remember();
        this.point(-1);
        this.mark();
        this.fillDetails();
    }

    focus(box) {
        this.picture.focus = box;
        this.selected = box === ROOT ? -1 : box;
        element('graph').scrollTop = 0;
        this.show();
    }

    select(box) {
        if (!this.picture.indexOf.has(box))
            this.picture.focus = this.commonCaller(box);
        this.selected = box;
        if (!this.picture.indexOf.has(box))
            this.show();
        this.mark();
        this.fillDetails();
        const rectangle = this.picture.rectangle(box), graph = element('graph');
        if (rectangle && rectangle.top < graph.scrollTop)
            graph.scrollTop = rectangle.top;
        else if (rectangle && rectangle.top + rectangle.height > graph.scrollTop + graph.clientHeight)
            graph.scrollTop = rectangle.top + rectangle.height - graph.clientHeight;
        element('said').textContent = this.panel.describe(box);
    }

    // The nearest box that both the focus and this one are under, or this box's caller if it would be too narrow.
    commonCaller(box) {
        let caller = this.picture.focus;
        while (!this.model.isUnder(box, caller))
            caller = this.model.parent[caller];
        const isNarrow = this.model.weight[box] / this.model.weight[caller] * this.picture.width < NARROWEST;
        return isNarrow ? this.model.parent[box] : caller;
    }

    place(marker, box) {
        const rectangle = box >= 0 ? this.picture.rectangle(box) : null;
        marker.hidden = rectangle === null;
        if (rectangle !== null) {
            for (const side of ['left', 'top', 'width', 'height'])
                marker.style[side] = rectangle[side] + 'px';
        }
    }

    mark() {
        this.place(this.ring, this.selected);
    }

    // --- the head ---

    title() {
        const {data, type} = this.model, name = data.types[type][0];
        return data.title || `${name} profile` + (data.program ? ` of ${data.program}` : '');
    }

    tellFacts() {
        const {model} = this, {data} = model, facts = [];
        const [type, unit] = data.types[model.type];
        const inNanoseconds = unit === 'nanoseconds';
        const when = side => side.time_ms ? new Date(side.time_ms).toISOString().slice(0, 19).replace('T', ' ') + ' UTC'
                                          : '';
        const {duration_ns: duration} = data.profile;
        if (data.title && !data.title.startsWith(type + ' '))
            facts.push(type);
        facts.push(when(data.profile));
        if (duration > 0)
            facts.push(`${formatValue(duration, 'nanoseconds')} long`);
        if (model.boxCount === 1) // the root
            facts.push('no samples');
        else
            facts.push(`${model.format(model.now.total)} in total` + (inNanoseconds && duration > 0
                ? ` (${formatShare(model.now.total, duration)} of that time)` : ''));
        for (const [key, value] of model.filter)
            facts.push(value === null ? `without ${key}` : `${key}=${value}`);
        if (model.compares)
            facts.push(`compared with ${when(data.base) || 'the base'}: ${model.format(model.before.total)} in total`);
        element('title').textContent = this.title();
        element('facts').replaceChildren(...facts.filter(Boolean).map(text => make('span', {textContent: text})));
        document.title = [this.title(), model.format(model.now.total), when(data.profile)].filter(Boolean).join(', ');
    }

    tellNothing() {
        const {model} = this;
        element('nothing').hidden = model.weight[ROOT] > 0;
        element('nothing').textContent = model.boxCount === 1 // the root
            ? 'No samples: nothing of this kind has happened, or it is not sampled.'
            : 'Nothing of this type has these labels.';
    }

    // What was sampled, how, and what was lost.
    fillComments() {
        const {comments} = this.model.data;
        element('about').hidden = comments.length === 0;
        element('comments').replaceChildren(...comments.map(textContent => make('li', {textContent})));
    }

    fillTypes() {
        element('type').replaceChildren(...this.model.data.types.map(([type], index) =>
            make('option', {value: index, textContent: type, selected: index === this.model.type})));
        element('type-field').hidden = this.model.data.types.length < 2;
    }

    // One list a label, of its values among the samples that the other lists let through.
    fillFilters() {
        const {model} = this;
        element('filters').replaceChildren(...[...model.labelValues(ROOT, true)].map(([key, all]) => {
            const values = all.slice(0, 500), chosen = model.filter.get(key);
            const total = all.reduce((sum, [, weight]) => sum + weight, 0);
            if (model.filter.has(key) && !values.some(([value]) => value === chosen))
                values.push([chosen, 0]);
            const options = [make('option', {value: 'all', textContent: 'all', selected: chosen === undefined})];
            for (const [value, weight] of values) {
                options.push(make('option', {
                    value: value === null ? 'none' : '=' + value, selected: chosen === value,
                    textContent: `${value === null ? '(none)' : isolate(value)}  ${formatShare(weight, total)}`,
                }));
            }
            const list = make('select', {className: chosen === undefined ? '' : 'set'}, ...options);
            list.dataset.key = key;
            return make('label', {}, key, ' ', list);
        }));
    }

    filter(key, value) {
        if (value === undefined)
            this.model.filter.delete(key);
        else
            this.model.filter.set(key, value);
        this.refresh();
    }

    // --- search ---

    get isRegex() {
        return element('regex').getAttribute('aria-pressed') === 'true';
    }

    search() {
        const input = element('search'), matched = element('matched'), text = input.value;
        this.matchIndex = -1;
        this.picture.found = null;
        input.removeAttribute('aria-invalid');
        matched.className = '';
        matched.textContent = '';
        if (text === '')
            return;
        let isMatch;
        if (this.isRegex) {
            try {
                const expression = new RegExp(text, 'i');
                isMatch = name => expression.test(name);
            } catch (error) {
                input.setAttribute('aria-invalid', 'true');
                matched.className = 'wrong';
                const reason = error.message.replace(/^.*\/[a-z]*: /s, '').toLowerCase();
                matched.textContent = `no regular expression: ${reason}`;
                return;
            }
        } else {
            const wanted = text.toLowerCase();
            isMatch = name => name.toLowerCase().includes(wanted);
        }
        const {model} = this, found = this.picture.found = model.search(isMatch);
        const before = model.compares ? `, was ${formatShare(found.before, model.before.total)}` : '';
        const functions = found.functionCount === 1 ? '1 function' : `${found.functionCount} functions`;
        matched.textContent = found.functionCount === 0
            ? 'nothing matches' : `${formatShare(found.now, model.now.total)}${before} in ${functions}`;
    }

    searchAndDraw() {
        this.search();
        this.picture.draw();
        this.address.remember();
    }

    findFunction(name) {
        element('search').value = '^' + name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&') + '$';
        element('regex').setAttribute('aria-pressed', 'true');
        this.searchAndDraw();
    }

    goToMatch(step) {
        const boxes = this.picture.found ? this.picture.found.boxes : [];
        if (boxes.length === 0)
            return;
        this.matchIndex = this.matchIndex < 0 && step < 0 ? boxes.length - 1
                                                          : (this.matchIndex + step + boxes.length) % boxes.length;
        this.select(boxes[this.matchIndex]);
    }

    // --- what is told of a box ---

    point(box, x = 0, y = 0) {
        const tip = element('tip'), {model} = this;
        element('graph').classList.toggle('pointing', box >= 0);
        this.place(this.hover, box);
        tip.hidden = box < 0;
        if (box < 0) {
            this.pointed = -1;
            return;
        }
        if (box !== this.pointed) {
            this.pointed = box;
            const place = this.panel.placeOf(box) + (model.inlined[box] ? ' (inlined)' : '');
            tip.replaceChildren(make('h2', {textContent: model.nameOf(box)}),
                                ...place ? [make('div', {textContent: place, className: 'place'})] : [],
                                make('dl', {}, ...this.panel.figureList(this.panel.figures(box))));
        }
        const {width, height} = tip.getBoundingClientRect();
        tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - width - 8)) + 'px';
        tip.style.top = (y + 18 + height < innerHeight ? y + 18 : Math.max(4, y - height - 10)) + 'px';
    }

    fillDetails() {
        this.panel.fillDetails(this.selected);
    }

    // --- what the reader does ---

    takeTheme() {
        this.picture.theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
    }

    async copy() {
        if (this.selected <= ROOT)
            return;
        const text = `${this.model.stackOf(this.selected)} ${this.model.now.cum[this.selected]}`;
        try {
            await navigator.clipboard.writeText(text);
        } catch (error) { // a page that came over plain HTTP from another host has no clipboard
            const area = document.body.appendChild(make('textarea', {value: text, className: 'unseen'}));
            area.select();
            document.execCommand('copy');
            area.remove();
            element('graph').focus();
        }
        element('copied').textContent = 'Copied.';
    }

    turn() {
        this.picture.flames = !this.picture.flames;
        element('direction').setAttribute('aria-pressed', this.picture.flames);
        this.show();
    }

    togglePanel() {
        const isShown = element('panel').hidden;
        element('panel').hidden = !isShown;
        element('main').classList.toggle('wide', !isShown);
        element('panel-button').setAttribute('aria-pressed', isShown);
        this.show();
    }

    goBack() {
        if (this.pointed >= 0)
            this.point(-1);
        if (this.picture.focus !== ROOT) {
            this.focus(ROOT);
        } else if (element('search').value !== '') {
            element('search').value = '';
            this.searchAndDraw();
        } else {
            this.selected = -1;
            this.mark();
            this.fillDetails();
        }
    }

    // Boxes beside one another in a row, across their callers.
    neighbour(box, step) {
        const {model, picture} = this, row = model.depth[box];
        const inRow = picture.boxes.filter(each => model.depth[each] === row)
            .sort((a, b) => model.left[a] - model.left[b]);
        return inRow[inRow.indexOf(box) + step];
    }

    walk(key) {
        const {model, picture} = this;
        const box = this.selected >= 0 && picture.indexOf.has(this.selected) ? this.selected : -1;
        if (box < 0)
            return this.select(picture.focus);
        let next;
        if (key === 'ArrowLeft' || key === 'ArrowRight')
            next = this.neighbour(box, key === 'ArrowLeft' ? -1 : 1);
        else if ((key === 'ArrowUp') !== picture.flames)
            next = box === ROOT ? undefined : model.parent[box];
        else if (model.isUnder(picture.focus, box) && box !== picture.focus)
            next = model.path(picture.focus)[model.depth[box]];
        else
            next = model.children[model.childStart[box]];
        const exists = next !== undefined && (next === ROOT || model.parent[next] === box || picture.indexOf.has(next));
        if (exists && picture.indexOf.has(next))
            this.select(next);
    }

    onKey(event) {
        if (event.ctrlKey || event.metaKey || event.altKey || element('help').open)
            return;
        const target = event.target, isField = target.matches('input, select, textarea');
        if (event.key === 'Escape') {
            if (isField)
                element('graph').focus();
            this.goBack();
        } else if (isField) {
            if (target.id !== 'search' || event.key !== 'Enter')
                return;
            this.goToMatch(event.shiftKey ? -1 : 1);
        } else if (event.key.startsWith('Arrow') && (target.id === 'graph' || target === document.body)) {
            this.walk(event.key);
        } else if (event.key === 'Enter' && !target.matches('button')) {
            if (this.selected >= 0)
                this.focus(this.selected);
        } else {
            const action = {
                '/': () => element('search').select(), '?': () => element('help').showModal(),
                Home: () => this.focus(ROOT),
                i: () => this.turn(), d: () => this.togglePanel(), c: () => this.copy(),
                n: () => this.goToMatch(1), p: () => this.goToMatch(-1),
            }[event.key];
            if (!action)
                return;
            action();
        }
        event.preventDefault();
    }

    boxUnder(event) {
        const graph = element('graph'), {left, top} = graph.getBoundingClientRect();
        return this.picture.boxAt(event.clientX - left - graph.clientLeft,
                                  event.clientY - top - graph.clientTop + graph.scrollTop);
    }

    listen() {
        const graph = element('graph');
        graph.addEventListener('mousemove', event => this.point(this.boxUnder(event), event.clientX, event.clientY));
        graph.addEventListener('mouseleave', () => this.point(-1));
        graph.addEventListener('scroll', () => {
            this.picture.draw();
            this.point(-1);
        });
        graph.addEventListener('click', event => {
            const box = this.boxUnder(event);
            if (box >= 0)
                this.focus(box);
        });
        addEventListener('popstate', () => this.address.recall());
        document.addEventListener('keydown', event => this.onKey(event));
        element('search').addEventListener('input', () => this.searchAndDraw());
        element('regex').addEventListener('click', () => {
            element('regex').setAttribute('aria-pressed', !this.isRegex);
            this.searchAndDraw();
        });
        element('type').addEventListener('change', event => {
            this.model.type = Number(event.target.value);
            this.refresh();
        });
        element('filters').addEventListener('change', ({target: {dataset, value}}) => {
            this.filter(dataset.key, value === 'all' ? undefined : value === 'none' ? null : value.slice(1));
            document.querySelector(`select[data-key="${CSS.escape(dataset.key)}"]`).focus();
        });
        const actions = {
            whole: () => this.focus(ROOT), direction: () => this.turn(), 'panel-button': () => this.togglePanel(),
            'help-button': () => element('help').showModal(), copy: () => this.copy(),
            zoom: () => this.focus(this.selected), find: () => this.findFunction(this.model.nameOf(this.selected)),
        };
        for (const [id, action] of Object.entries(actions))
            element(id).addEventListener('click', action);
        matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
            this.takeTheme();
            this.panel.fillLegend();
            this.picture.draw();
        });
        new ResizeObserver(() => this.show()).observe(graph);
        addEventListener('beforeprint', () => this.print(true));
        addEventListener('afterprint', () => this.print(false));
    }

    // On paper the whole picture is shown, on white.
    print(isPrinting) {
        this.picture.fullHeight = isPrinting;
        if (isPrinting)
            this.picture.theme = 'light';
        else
            this.takeTheme();
        this.panel.fillLegend();
        this.show();
    }
}

window.flamegraph = new Page(JSON.parse(element('data').textContent));
