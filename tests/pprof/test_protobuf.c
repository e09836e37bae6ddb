/* test_protobuf.c: our reader and our writer of profiles agree with the generated ones, in every field. */
#include "pprof/encode.h"

#include "golden.h"
#include "pprof/profile.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <zlib.h>

/* One profile, as the two know it. */
struct both {
    const struct profile *ours;
    const Pprof__Profile *theirs;
};

static void assert_text(const struct both *both, uint32_t ours, int64_t theirs)
{
    assert_true((uint64_t)theirs < both->theirs->n_string_table);
    ProtobufCBinaryData text = both->theirs->string_table[theirs];
    assert_true(bytes_equal(both->ours->strings[ours], bytes_of(text.data, text.len)));
}

static void assert_sample_types(const struct both *both)
{
    assert_int_equal(both->ours->sample_type_count, both->theirs->n_sample_type);
    for (uint32_t i = 0; i < both->ours->sample_type_count; i++) {
        assert_text(both, both->ours->sample_types[i].type, both->theirs->sample_type[i]->type);
        assert_text(both, both->ours->sample_types[i].unit, both->theirs->sample_type[i]->unit);
    }
}

static void assert_mappings(const struct both *both)
{
    assert_int_equal(both->ours->mapping_count, both->theirs->n_mapping);
    for (uint32_t i = 0; i < both->ours->mapping_count; i++) {
        const struct profile_mapping *ours = &both->ours->mappings[i];
        const Pprof__Mapping *theirs = both->theirs->mapping[i];
        assert_int_equal(ours->start, theirs->memory_start);
        assert_int_equal(ours->limit, theirs->memory_limit);
        assert_int_equal(ours->file_offset, theirs->file_offset);
        assert_text(both, ours->file, theirs->filename);
        assert_text(both, ours->build_id, theirs->build_id);
        assert_int_equal(ours->has_functions, theirs->has_functions);
        assert_int_equal(ours->has_filenames, theirs->has_filenames);
        assert_int_equal(ours->has_line_numbers, theirs->has_line_numbers);
        assert_int_equal(ours->has_inline_frames, theirs->has_inline_frames);
    }
}

static const Pprof__Function *their_function(const struct both *both, uint64_t id)
{
    for (size_t i = 0; i < both->theirs->n_function; i++)
        if (both->theirs->function[i]->id == id)
            return both->theirs->function[i];
    fail();
    return NULL;
}

static void assert_lines(const struct both *both, const struct profile_location *ours, const Pprof__Location *theirs)
{
    assert_int_equal(ours->line_count, theirs->n_line);
    for (uint32_t i = 0; i < ours->line_count; i++) {
        const struct profile_line *line = &both->ours->lines[ours->line_start + i];
        assert_int_equal(line->line, theirs->line[i]->line);
        const struct profile_function *function = &both->ours->functions[line->function - 1];
        const Pprof__Function *named = their_function(both, theirs->line[i]->function_id);
        assert_text(both, function->name, named->name);
        assert_text(both, function->system_name, named->system_name);
        assert_text(both, function->file, named->filename);
        assert_int_equal(function->start_line, named->start_line);
    }
}

static const Pprof__Location *their_location(const struct both *both, uint64_t id)
{
    for (size_t i = 0; i < both->theirs->n_location; i++)
        if (both->theirs->location[i]->id == id)
            return both->theirs->location[i];
    fail();
    return NULL;
}

static void assert_labels(const struct both *both, const struct profile_sample *ours, const Pprof__Sample *theirs)
{
    assert_int_equal(ours->label_count, theirs->n_label);
    for (uint32_t i = 0; i < ours->label_count; i++) {
        struct profile_label label = profile_label_at(both->ours, ours->label_start + i);
        assert_text(both, label.key, theirs->label[i]->key);
        assert_text(both, label.text, theirs->label[i]->str);
        assert_int_equal(label.number, theirs->label[i]->num);
        assert_text(both, label.unit, theirs->label[i]->num_unit);
    }
}

static void assert_samples(const struct both *both)
{
    assert_int_equal(both->ours->sample_count, both->theirs->n_sample);
    for (uint32_t i = 0; i < both->ours->sample_count; i++) {
        const struct profile_sample *ours = &both->ours->samples[i];
        const Pprof__Sample *theirs = both->theirs->sample[i];
        assert_int_equal(theirs->n_value, both->ours->sample_type_count);
        for (size_t j = 0; j < theirs->n_value; j++)
            assert_int_equal(profile_sample_values(both->ours, ours)[j], theirs->value[j]);
        assert_int_equal(ours->location_count, theirs->n_location_id);
        for (uint32_t j = 0; j < ours->location_count; j++) {
            uint32_t id = both->ours->sample_locations[ours->location_start + j];
            const Pprof__Location *location = their_location(both, theirs->location_id[j]);
            assert_int_equal(both->ours->locations[id - 1].address, location->address);
            assert_lines(both, &both->ours->locations[id - 1], location);
        }
        assert_labels(both, ours, theirs);
    }
}

static void assert_same(const struct profile *profile, struct bytes plain)
{
    Pprof__Profile *unpacked = pprof__profile__unpack(NULL, plain.size, plain.data);
    assert_non_null(unpacked);
    const struct both both = {profile, unpacked};
    assert_sample_types(&both);
    assert_mappings(&both);
    assert_samples(&both);
    assert_int_equal(profile->time_ns, unpacked->time_nanos);
    assert_int_equal(profile->duration_ns, unpacked->duration_nanos);
    assert_int_equal(profile->period, unpacked->period);
    assert_text(&both, profile->drop_frames, unpacked->drop_frames);
    assert_text(&both, profile->default_sample_type, unpacked->default_sample_type);
    assert_int_equal(profile->comment_count, unpacked->n_comment);
    pprof__profile__free_unpacked(unpacked, NULL);
}

static void read_plain(const char *name, struct buf *plain)
{
    char *path = mem_printf("%s/%s", GOLDEN_FOLDER, name), piece[4096];
    gzFile file = gzopen(path, "rb");
    assert_non_null(file);
    buf_init(plain);
    for (int size; (size = gzread(file, piece, sizeof piece)) > 0;)
        buf_append(plain, piece, (size_t)size);
    assert_int_equal(gzclose(file), Z_OK);
    mem_free(path);
}

static void for_each_golden(void (*check)(const char *name))
{
    DIR *folder = opendir(GOLDEN_FOLDER);
    assert_non_null(folder);
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        if (strstr(entry->d_name, ".pb.gz")) {
            check(entry->d_name);
            count++;
        }
    closedir(folder);
    assert_true(count >= 20);
}

static void check_reading(const char *name)
{
    struct profile *profile = golden_read(name);
    struct buf plain;
    read_plain(name, &plain);
    assert_same(profile, buf_bytes(&plain));
    buf_deinit(&plain);
    profile_destroy(profile);
}

static void what_we_read_is_what_the_generated_parser_reads(void **state)
{
    (void)state;
    for_each_golden(check_reading);
}

static void check_writing(const char *name)
{
    struct profile *profile = golden_read(name);
    struct buf plain;
    buf_init(&plain);
    profile_encode(profile, &plain);
    assert_same(profile, buf_bytes(&plain));
    buf_deinit(&plain);
    profile_destroy(profile);
}

static void what_we_write_is_read_back_by_the_generated_parser(void **state)
{
    (void)state;
    for_each_golden(check_writing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_we_read_is_what_the_generated_parser_reads),
        cmocka_unit_test(what_we_write_is_read_back_by_the_generated_parser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
