// flamegraph_address.js: what the page shows stands behind the '#' of its address, so that it can be sent, reloaded,
// and gone back from.

class Address {
    constructor(page) {
        this.page = page;
    }

    // Back leads to another zoom, type or filter; what is typed makes no step of its own.
    write() {
        const {model, picture, isRegex} = this.page, address = new URLSearchParams();
        if (model.type !== model.data.type)
            address.set('type', model.data.types[model.type][0]);
        for (const [key, value] of model.filter)
            address.set((value === null ? 'without.' : 'label.') + key, value || '');
        if (picture.focus !== ROOT)
            address.set('zoom', model.stackOf(picture.focus));
        const step = address.toString();
        if (element('search').value !== '')
            address.set(isRegex ? 'regex' : 'search', element('search').value);
        if (picture.flames)
            address.set('flames', '1');
        return {step, text: address.toString()};
    }

    remember() {
        const {step, text} = this.write();
        if (text !== location.hash.slice(1))
            history[step === this.step || this.isRecalled ? 'replaceState' : 'pushState'](null, '', '#' + text);
        this.step = step;
    }

    recall() {
        const {model, picture} = this.page, address = new URLSearchParams(location.hash.slice(1));
        const type = model.data.types.findIndex(([name]) => name === address.get('type'));
        model.type = type < 0 ? model.data.type : type;
        model.filter.clear();
        for (const [name, value] of address) {
            const [, kind, key] = name.match(/^(label|without)\.([^]*)$/) || [];
            if (model.labelKeys.includes(key))
                model.filter.set(key, kind === 'label' ? value : null);
        }
        picture.flames = address.has('flames');
        element('type').value = model.type;
        element('direction').setAttribute('aria-pressed', picture.flames);
        element('search').value = address.get('regex') || address.get('search') || '';
        element('regex').setAttribute('aria-pressed', address.has('regex'));
        this.isRecalled = true;
        this.page.refresh(address.get('zoom') || '');
        this.isRecalled = false;
    }
}
