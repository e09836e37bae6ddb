/* summary_kinds.c: what each kind of profile is asked. */
#include "pprof/measure.h"
#include "pprof/summary_writer.h"
#include "pprof/value.h"

#define GROUPS_SAID 3
#define FRAMES_SAID 5
#define FEW_SAMPLES 400 /* fewer: a share of one half is off by more than 5 points every twentieth time */
#define MOST_KEPT 0.5   /* who still has so much of what it ever allocated, and ... */
#define WORTH_KEEPING 0.2 /* ... so much of all that is live, may be a leak */

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

/* --- CPU --- */

static void add_spread(struct summary_writer *writer)
{
    const struct top *functions = &writer->tables->functions;
    int64_t reached = 0, goal = writer->tables->sum - writer->tables->sum / 5;
    uint32_t count = 0;
    while (count < functions->row_count && reached < goal)
        reached = value_add(reached, functions->rows[count++].flat);
    if (count < 2 || reached < goal)
        return;
    summary_add(writer, "spread", reached, value_share(reached, writer->filter->total),
                "%u functions of %u have %s of the %s in themselves", count,
                functions->candidate_count + functions->dropped_count,
                summary_percent(reached, writer->filter->total).content, writer->noun);
}

/* Sum of a column of what is kept; false if the profile has none of that name. */
static bool sum_column(const struct filter *filter, const char *type, int64_t *sum)
{
    uint32_t column = filter_find_column(filter->profile, type);
    *sum = 0;
    if (column == FILTER_NO_COLUMN)
        return false;
    for (uint32_t i = 0; i < filter->profile->sample_count; i++) {
        if (filter_keeps(filter, i))
            *sum = value_add(*sum, profile_sample_values(filter->profile, &filter->profile->samples[i])[column]);
    }
    return true;
}

static void add_few_samples(struct summary_writer *writer)
{
    int64_t count;
    if (!sum_column(writer->filter, "samples", &count) || count <= 0 || count >= FEW_SAMPLES)
        return;
    struct finding *finding =
        summary_add(writer, "few_samples", count, NAN, "only %lld sample%s: a share is exact to some %.0f points",
                    (long long)count, plural(count), fmin(100 / sqrt((double)count), 100));
    finding->unit = "count";
    finding->next = "collect for longer, or more often a second";
}

static void summarize_cpu(struct summary_writer *writer)
{
    summary_add_busy(writer, "processors busy");
    summary_add_heaviest(writer, "uses");
    summary_add_waist(writer, NULL);
    add_spread(writer);
    summary_add_labels(writer);
    summary_add_label(writer, "thread");
    add_few_samples(writer);
}

/* --- heap --- */

/* Two facts: what lives may have been allocated long before. */
static void add_live_of_window(struct summary_writer *writer)
{
    const struct live_table *live = &writer->tables->live;
    const int64_t *totals = live->totals;
    struct summary_text window = summary_measure(writer->filter->profile->duration_ns, "nanoseconds");
    struct summary_text bytes = summary_measure((int64_t)value_magnitude(totals[LIVE_BYTES]), "bytes");
    if (live->is_growth)
        summary_add(writer, "live", totals[LIVE_BYTES], NAN, "after %s %s %s live than before", window.content,
                    bytes.content, totals[LIVE_BYTES] < 0 ? "less is" : "more is")->unit = "bytes";
    else
        summary_add(writer, "live", totals[LIVE_BYTES], NAN, "%s live in %lld object%s at the end", bytes.content,
                    (long long)totals[LIVE_OBJECTS], plural(totals[LIVE_OBJECTS]))->unit = "bytes";
    if (totals[ALLOCATED_BYTES] > 0)
        summary_add(writer, "allocated", totals[ALLOCATED_BYTES], NAN, "%s in %lld object%s allocated in these %s",
                    summary_measure(totals[ALLOCATED_BYTES], "bytes").content, (long long)totals[ALLOCATED_OBJECTS],
                    plural(totals[ALLOCATED_OBJECTS]), window.content)->unit = "bytes";
    else if (totals[ALLOCATED_BYTES] == 0)
        summary_add(writer, "allocated", 0, NAN, "no sample fell on what was allocated in these %s", window.content)
            ->unit = "bytes";
}

static void add_live(struct summary_writer *writer)
{
    const int64_t *totals = writer->tables->live.totals;
    bool is_share = totals[LIVE_BYTES] >= 0 && totals[LIVE_BYTES] <= totals[ALLOCATED_BYTES];
    if (writer->tables->live.row_count == 0 || totals[ALLOCATED_BYTES] <= 0 || !is_share)
        return;
    struct finding *finding =
        summary_add(writer, "live", totals[LIVE_BYTES], value_share(totals[LIVE_BYTES], totals[ALLOCATED_BYTES]),
                    "%s live in %lld object%s, of %s in %lld allocated: %s is still there",
                    summary_measure(totals[LIVE_BYTES], "bytes").content, (long long)totals[LIVE_OBJECTS],
                    plural(totals[LIVE_OBJECTS]),
                    summary_measure(totals[ALLOCATED_BYTES], "bytes").content, (long long)totals[ALLOCATED_OBJECTS],
                    summary_percent(totals[LIVE_BYTES], totals[ALLOCATED_BYTES]).content);
    finding->unit = "bytes";
    if (strcmp(writer->filter->type, "inuse_space") == 0)
        finding->next = "-sample_index=alloc_space: who allocates most, live or not";
}

/* Who holds much, and gives little back. */
static void add_kept(struct summary_writer *writer)
{
    const struct live_table *live = &writer->tables->live;
    for (uint32_t i = 0; i < live->row_count && !live->is_of_window; i++) {
        const int64_t *values = live->rows[i].values;
        double kept = value_share(values[LIVE_BYTES], values[ALLOCATED_BYTES]);
        double of_live = value_share(values[LIVE_BYTES], live->totals[LIVE_BYTES]);
        if (!(kept >= MOST_KEPT && kept <= 1 && of_live >= WORTH_KEEPING) || values[LIVE_BYTES] <= 0)
            continue;
        struct finding *finding =
            summary_add(writer, "kept", values[LIVE_BYTES], kept,
                        "%s still has %s of all that it ever allocated: %s in %lld object%s", live->rows[i].function,
                        summary_percent(values[LIVE_BYTES], values[ALLOCATED_BYTES]).content,
                        summary_measure(values[LIVE_BYTES], "bytes").content, (long long)values[LIVE_OBJECTS],
                        plural(values[LIVE_OBJECTS]));
        finding->unit = "bytes";
        finding->next = "a later profile with -base=THIS_FILE: whether it grows";
        return;
    }
}

static void summarize_heap(struct summary_writer *writer)
{
    if (writer->tables->live.is_of_window && writer->tables->live.row_count > 0)
        add_live_of_window(writer);
    else
        add_live(writer);
    summary_add_heaviest(writer, strncmp(writer->filter->type, "alloc", 5) == 0 ? "allocates" : "holds");
    add_kept(writer);
    summary_add_waist(writer, NULL);
    summary_add_labels(writer);
}

/* --- goroutines --- */

static void add_group(struct summary_writer *writer, const struct stack_group *group)
{
    struct buf text;
    buf_init(&text);
    stack_group_append_state(group, &text);
    buf_append_string(&text, "in ");
    stack_group_append_stack(writer->filter, group, FRAMES_SAID, &text);
    summary_add(writer, "stack_group", group->sum, value_share(group->sum, writer->filter->total), "%lld (%s) %s",
                (long long)group->sum, summary_percent(group->sum, writer->filter->total).content, buf_string(&text));
    buf_deinit(&text);
}

static void add_longest_wait(struct summary_writer *writer)
{
    struct stack_group longest = writer->tables->groups.longest;
    bool is_of_request = longest.request_waited_s > 0;
    if (longest.waited_s == 0)
        return;
    if (is_of_request)
        longest.waited_s = longest.request_waited_s;
    struct buf text;
    buf_init(&text);
    stack_group_append_state(&longest, &text);
    buf_append_string(&text, "in ");
    stack_group_append_stack(writer->filter, &longest, FRAMES_SAID, &text);
    struct finding *finding = summary_add(writer, "longest_wait", longest.waited_s, NAN, "longest wait%s: %s",
                                          is_of_request ? " of a request" : "", buf_string(&text));
    finding->unit = "seconds";
    finding->next = arena_printf(&writer->summary->arena, "-tagfocus='" STACK_GROUP_WAITED_LABEL "=%llds:': all that "
                                 "have waited as long", (long long)longest.waited_s);
    buf_deinit(&text);
}

/* Over a time it is how many more there are of each stack at its end. */
static const char *more_than_before(const struct summary_writer *writer)
{
    int64_t duration_ns = writer->filter->profile->duration_ns;
    if (duration_ns <= 0)
        return "";
    return arena_printf(&writer->summary->arena, "%s than %s before,", writer->tables->sum < 0 ? "fewer" : "more",
                        summary_measure(duration_ns, "nanoseconds").content);
}

static void summarize_goroutines(struct summary_writer *writer)
{
    const struct stack_groups *groups = &writer->tables->groups;
    int64_t sum = writer->tables->sum;
    bool is_of_window = writer->filter->profile->duration_ns > 0;
    if (groups->group_count > 0)
        summary_add(writer, "groups", groups->group_count, NAN, "%lld %s%s%s%s with %u different stack%s",
                    is_of_window ? (long long)value_magnitude(sum) : (long long)sum, writer->filter->type, plural(sum),
                    is_of_window ? " " : "", more_than_before(writer), groups->group_count,
                    plural(groups->group_count))->unit = "count";
    summary_add_label(writer, "reason");
    add_longest_wait(writer);
    for (uint32_t i = 0; i < groups->row_count && i < GROUPS_SAID; i++)
        add_group(writer, &groups->rows[i]);
    summary_add_labels(writer);
}

/* --- waiting --- */

static void add_contentions(struct summary_writer *writer)
{
    const char *unit = writer->tables->waits.times.unit;
    int64_t count, delay;
    if (!sum_column(writer->filter, "contentions", &count) || !sum_column(writer->filter, "delay", &delay) ||
        count <= 0 || delay < 0)
        return;
    summary_add(writer, "mean", delay / count, NAN, "%s of delay in %lld contention%s: %s each on average",
                summary_measure(delay, unit).content, (long long)count, count == 1 ? "" : "s",
                summary_measure(delay / count, unit).content)->unit = unit;
}

/* Who waits most for what, or makes others wait most. Of one pair only the sentence before says the same. */
static void add_largest_wait(struct summary_writer *writer)
{
    const struct wait_table *waits = &writer->tables->waits;
    if (waits->pair_count < 2 || waits->rows[0].time <= 0)
        return;
    const struct wait_row *row = &waits->rows[0];
    struct buf text;
    buf_init(&text);
    if (waits->of == REQUESTS)
        buf_printf(&text, "most time of requests is of %s in the state %s", row->who, row->what);
    else if (waits->of == WAITERS)
        buf_printf(&text, "%s waits the most, for %s", row->who, row->what == NULL ? "something unknown" : row->what);
    else
        buf_printf(&text, "%s makes others wait the most%s%s", row->who, row->what == NULL ? "" : ", working for ",
                   row->what == NULL ? "" : row->what);
    struct finding *finding =
        summary_add(writer, "largest_wait", row->time, value_share(row->time, waits->times.total), "%s: %s, %s",
                    buf_string(&text), summary_measure(row->time, waits->times.unit).content,
                    summary_percent(row->time, waits->times.total).content);
    buf_deinit(&text);
    finding->unit = waits->times.unit;
    finding->next = row->is_api ? arena_printf(&writer->summary->arena, "-tagfocus='api=%s' -cum: in which functions",
                                               summary_quote(writer, row->who))
                                : summary_look_at_function(writer, row->who, "on which paths");
}

static void summarize_contention(struct summary_writer *writer)
{
    add_contentions(writer);
    summary_add_label(writer, "reason");
    add_largest_wait(writer);
    summary_add_waist(writer, writer->tables->waits.row_count > 0 ? writer->tables->waits.rows[0].who : NULL);
    summary_add_labels(writer);
}

static void summarize_wall(struct summary_writer *writer)
{
    summary_add_busy(writer, "tasks and threads");
    summary_add_label(writer, "reason");
    add_largest_wait(writer);
    summary_add_heaviest(writer, "has");
    summary_add_labels(writer);
}

/* --- others --- */

static void summarize_threads(struct summary_writer *writer)
{
    int64_t sum = writer->tables->sum, duration_ns = writer->filter->profile->duration_ns;
    if (duration_ns > 0)
        summary_add(writer, "total", sum, NAN, "%lld thread%s started in %s", (long long)sum, plural(sum),
                    summary_measure(duration_ns, "nanoseconds").content);
    else
        summary_add(writer, "total", sum, NAN, "%lld thread%s", (long long)sum, plural(sum));
    summary_add_heaviest(writer, "has");
}

static void summarize_other(struct summary_writer *writer)
{
    summary_add_heaviest(writer, "has");
    summary_add_waist(writer, NULL);
    summary_add_labels(writer);
}

const struct summary_kind summary_kinds[PROFILE_KIND_COUNT] = {
    [PROFILE_KIND_OTHER] = {"whole", summarize_other},
    [PROFILE_KIND_CPU] = {"CPU time", summarize_cpu},
    [PROFILE_KIND_HEAP] = {"memory", summarize_heap},
    [PROFILE_KIND_GOROUTINE] = {"goroutines", summarize_goroutines},
    [PROFILE_KIND_CONTENTION] = {"delay", summarize_contention},
    [PROFILE_KIND_WALL] = {"time", summarize_wall},
    [PROFILE_KIND_THREADS] = {"threads", summarize_threads},
};
