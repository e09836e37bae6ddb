"""takhin_tasks.py: gdb command that lists the tasks of all reactors.

    (gdb) source tools/gdb/takhin_tasks.py
    (gdb) takhin-tasks          one line a task: id, name, reason, how long, where
    (gdb) takhin-tasks 17       the whole stack of task 17

It starts from the symbol reactor_registry and follows each parked task's saved frame pointer. A task that runs is
on its reactor's thread: `thread` and `bt` show that one.
"""

import time

import gdb

FRAMES_MAX = 64
LIST_FRAMES = 4
# Of the switch itself; where the task waits is what comes after them.
SWITCH_FUNCTIONS = ("task_park_until", "task_park", "task_park_uncancelable", "task_park_from", "queue_wait",
                    "queue_wait_uncancelable", "task_yield")


def read_word(address):
    word = gdb.lookup_type("unsigned long")
    return int(gdb.Value(address).cast(word.pointer()).dereference())


def reactors():
    reactor = gdb.parse_and_eval("reactor_registry")
    while int(reactor) != 0:
        if int(reactor["name"][0]) != 0:
            yield reactor.dereference()
        reactor = reactor["next_registered"]


def tasks(reactor):
    task_type = gdb.lookup_type("struct task")
    offset = next(field.bitpos // 8 for field in task_type.fields() if field.name == "live")
    head = reactor["live"].address
    link = reactor["live"]["next"]
    while int(link) != int(head):
        yield gdb.Value(int(link) - offset).cast(task_type.pointer()).dereference()
        link = link.dereference()["next"]


def functions_at(address):
    """Function and place there; if it is inlined, then those that it is inlined into."""
    names = []
    block = gdb.block_for_pc(address)
    while block is not None:
        if block.function is not None:
            names.append(str(block.function))
        block = block.superblock
    if names:
        line = gdb.find_pc_line(address)
        place = " %s:%d" % (line.symtab.filename, line.line) if line.symtab else ""
        return [(names[0], place)] + [(name, "") for name in names[1:]]
    text = gdb.execute("info symbol %d" % address, to_string=True)
    return [(text.split()[0] if not text.startswith("No symbol") else hex(address), "")]


def stack(task):
    """Function and place of each caller, from the park outwards."""
    low, high = int(task["context"]["low"]), int(task["context"]["high"])
    frame = int(task["context"]["parked_frame"])
    result = []
    while low <= frame < high - 8 and len(result) < FRAMES_MAX:
        pc = read_word(frame + 8)
        if pc == 0:
            break
        result += functions_at(pc - 1)
        above = read_word(frame)
        if above <= frame:
            break
        frame = above
    return result


def now_ns():
    """The clock of the program; in a core, the last time that any reactor looked at it."""
    if "core dump" in gdb.execute("info files", to_string=True):
        return max(int(reactor["now_ns"]) for reactor in reactors())
    return time.monotonic_ns()


def how_long(task):
    return "%.3fs" % max((now_ns() - int(task["since_ns"])) / 1e9, 0.0)


def reason(task):
    return gdb.Value(int(task["state"]) & 0xff).cast(gdb.lookup_type("enum wait_reason"))


def is_running(task):
    return str(reason(task)) == "WAIT_NONE"


class TakhinTasks(gdb.Command):
    """List the tasks of all reactors; with a number, show the whole stack of that task."""

    def __init__(self):
        super().__init__("takhin-tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        wanted = int(argument) if argument.strip() else None
        for reactor in reactors():
            if wanted is None:
                print("reactor %s: %d tasks" % (reactor["name"].string(), sum(1 for _ in tasks(reactor))))
            for task in tasks(reactor):
                if wanted is None:
                    self.print_line(task)
                elif wanted == int(task["id"]):
                    self.print_stack(task)

    @staticmethod
    def print_line(task):
        head = "%6d %-24s" % (int(task["id"]), task["name"].string())
        if is_running(task):
            print("%s running" % head)
            return
        frames = [name for name, _ in stack(task) if name not in SWITCH_FUNCTIONS]
        print("%s %-18s %10s  %s" % (head, reason(task), how_long(task),
                                     " < ".join(frames[:LIST_FRAMES])))

    @staticmethod
    def print_stack(task):
        state = "running" if is_running(task) else "%s, %s" % (reason(task), how_long(task))
        print("task %d '%s' [%s]:" % (int(task["id"]), task["name"].string(), state))
        for number, (name, place) in enumerate(stack(task)):
            print("#%-2d %s%s" % (number, name, place))


TakhinTasks()
