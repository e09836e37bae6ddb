"""Reads a profile as the scrapers do: profile.proto from its bytes, in plain Python, with every rule that Parca, Alloy
and pprof's own CheckValid hold it to."""
import collections
import gzip
import struct

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

# Field number: name and kind. A kind is "int" or "uint" or "bool", "bytes", or a message's name; "*" repeats.
MESSAGES = {
    "Profile": {1: ("sample_type", "ValueType*"), 2: ("sample", "Sample*"), 3: ("mapping", "Mapping*"),
                4: ("location", "Location*"), 5: ("function", "Function*"), 6: ("string_table", "bytes*"),
                7: ("drop_frames", "int"), 8: ("keep_frames", "int"), 9: ("time_nanos", "int"),
                10: ("duration_nanos", "int"), 11: ("period_type", "ValueType"), 12: ("period", "int"),
                13: ("comment", "int*"), 14: ("default_sample_type", "int"), 15: ("doc_url", "int")},
    "ValueType": {1: ("type", "int"), 2: ("unit", "int")},
    "Sample": {1: ("location_id", "uint*"), 2: ("value", "int*"), 3: ("label", "Label*")},
    "Label": {1: ("key", "int"), 2: ("str", "int"), 3: ("num", "int"), 4: ("num_unit", "int")},
    "Mapping": {1: ("id", "uint"), 2: ("memory_start", "uint"), 3: ("memory_limit", "uint"),
                4: ("file_offset", "uint"), 5: ("filename", "int"), 6: ("build_id", "int"),
                7: ("has_functions", "bool"), 8: ("has_filenames", "bool"), 9: ("has_line_numbers", "bool"),
                10: ("has_inline_frames", "bool")},
    "Location": {1: ("id", "uint"), 2: ("mapping_id", "uint"), 3: ("address", "uint"), 4: ("line", "Line*"),
                 5: ("is_folded", "bool")},
    "Line": {1: ("function_id", "uint"), 2: ("line", "int"), 3: ("column", "int")},
    "Function": {1: ("id", "uint"), 2: ("name", "int"), 3: ("system_name", "int"), 4: ("filename", "int"),
                 5: ("start_line", "int")},
}


class Message:
    def __init__(self, kind):
        for name, field in MESSAGES[kind].values():
            setattr(self, name, [] if field.endswith("*") else None if field in MESSAGES else 0)


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def read_field(data, at):
    """Number, wire type, value, where the next one begins."""
    tag, at = read_varint(data, at)
    wire = tag & 7
    if wire == VARINT:
        value, at = read_varint(data, at)
    elif wire == LENGTH:
        size, at = read_varint(data, at)
        value, at = data[at:at + size], at + size
    elif wire in (FIXED64, FIXED32):
        size = 8 if wire == FIXED64 else 4
        value, at = struct.unpack_from("<Q" if size == 8 else "<I", data, at)[0], at + size
    else:
        raise AssertionError(f"wire type {wire}")
    assert at <= len(data), "a field goes on behind the end of its message"
    return tag >> 3, wire, value, at


def of_kind(kind, value):
    if kind == "int":
        return value - (1 << 64) if value >= 1 << 63 else value
    return bool(value) if kind == "bool" else value


def parse(kind, data):
    message, at = Message(kind), 0
    while at < len(data):
        number, wire, value, at = read_field(data, at)
        assert number in MESSAGES[kind], f"{kind} has no field {number}"
        name, field = MESSAGES[kind][number]
        repeats, field = field.endswith("*"), field.rstrip("*")
        if field in MESSAGES:
            values = [parse(field, value)]
        elif field == "bytes":
            values = [bytes(value)]
        elif wire == LENGTH:  # packed
            values, packed = [], 0
            while packed < len(value):
                element, packed = read_varint(value, packed)
                values.append(of_kind(field, element))
        else:
            values = [of_kind(field, value)]
        if repeats:
            getattr(message, name).extend(values)
        else:
            setattr(message, name, values[-1])
    return message


Frame = collections.namedtuple("Frame", "function file line")
Entry = collections.namedtuple("Entry", "frames labels numbers values addresses")


class Profile:
    """The decoded message, and what a reader makes of it: `entries` are its samples with names in place of numbers."""

    def __init__(self, body):
        assert body[:2] == b"\x1f\x8b", "it is not compressed"
        self.proto = parse("Profile", memoryview(gzip.decompress(body)))
        self.strings = [text.decode("utf-8") for text in self.proto.string_table]
        self.check()
        self.sample_types = [(self.string(t.type), self.string(t.unit)) for t in self.proto.sample_type]
        self.comments = [self.string(i) for i in self.proto.comment]
        functions, locations = self.proto.function, self.proto.location
        frames = [[Frame(self.string(functions[line.function_id - 1].name),
                         self.string(functions[line.function_id - 1].filename), line.line)
                   for line in location.line] for location in locations]
        self.entries = [Entry([frame for i in sample.location_id for frame in frames[i - 1]],
                              {self.string(label.key): self.string(label.str) for label in sample.label if label.str},
                              {self.string(label.key): label.num for label in sample.label if not label.str},
                              sample.value, [locations[i - 1].address for i in sample.location_id])
                        for sample in self.proto.sample]

    def string(self, index):
        return self.strings[index]

    @property
    def period_type(self):
        return self.string(self.proto.period_type.type), self.string(self.proto.period_type.unit)

    def column(self, sample_type):
        return [name for name, _ in self.sample_types].index(sample_type)

    def total(self, sample_type, wanted=lambda entry: True):
        column = self.column(sample_type)
        return sum(entry.values[column] for entry in self.entries if wanted(entry))

    def check(self):
        """What CheckValid of google/pprof, Parca's validator and the specification say of any profile."""
        proto = self.proto
        assert self.strings[0] == "", "string_table[0]"
        assert len(set(self.strings)) == len(self.strings), "a text is in the table twice"
        for name in ("mapping", "location", "function"):
            ids = [item.id for item in getattr(proto, name)]
            assert ids == list(range(1, len(ids) + 1)), f"{name} ids are not 1, 2, 3: {ids[:10]}"
        assert proto.sample_type, "no sample type"
        for value_type in [*proto.sample_type, proto.period_type]:
            assert value_type is not None and value_type.type and value_type.unit, "a value type without a name"
        used = set()
        for sample in proto.sample:
            assert len(sample.value) == len(proto.sample_type), "as many values as sample types"
            assert sample.location_id, "a sample without a stack"
            keys = [label.key for label in sample.label]
            assert 0 not in keys and len(set(keys)) == len(keys), "one value for each label, and each has a key"
            for label in sample.label:
                assert label.str == 0 or (label.num == 0 and label.num_unit == 0), "a label is a text or a number"
                assert not self.string(label.key).startswith("pprof::"), "a reserved label"
            for location_id in sample.location_id:
                assert 1 <= location_id <= len(proto.location), "a location that is not there"
                used.add(location_id)
        self.check_locations(used)
        assert self.string(proto.default_sample_type) in [""] + [self.string(t.type) for t in proto.sample_type]
        assert proto.time_nanos > 0 and proto.duration_nanos >= 0 and proto.period > 0

    def check_locations(self, used):
        proto = self.proto
        assert proto.mapping, "no mapping: the main program is always the first"
        assert used == set(range(1, len(proto.location) + 1)), "locations that no sample has"
        named = set()
        for location in proto.location:
            assert 0 <= location.mapping_id <= len(proto.mapping)
            assert location.line, "a location that nobody has symbolised"
            if location.mapping_id:
                mapping = proto.mapping[location.mapping_id - 1]
                named.add(location.mapping_id)
                assert mapping.memory_start <= location.address < mapping.memory_limit, "outside of its mapping"
            for line in location.line:
                assert 1 <= line.function_id <= len(proto.function), "a function that is not there"
                assert line.line >= 0
        for mapping in proto.mapping:
            assert mapping.has_functions, f"{self.string(mapping.filename)} would be symbolised again"
            assert mapping.id == 1 or mapping.id in named, f"{self.string(mapping.filename)} is of no use"
            assert mapping.memory_start < mapping.memory_limit
            assert mapping.memory_start % 4096 == mapping.memory_limit % 4096 == mapping.file_offset % 4096 == 0
        for function in proto.function:
            assert function.name and function.system_name, "a function without a name"
