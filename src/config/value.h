/* value.h: one value between its text and its field, by its row of the table. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "config/keys.h"

/* Read the text as the row says and put it into the field; strings are copied to the configuration's arena.
 * ERR_MALFORMED or ERR_OUT_OF_RANGE; the field then keeps what it had. */
int config_value_set(struct config *config, const struct config_name *name, const char *text) MUST_USE;
/* The field's value as YAML would have it, strings in quotes where they need them. */
void config_value_write(const struct config *config, const struct config_key *key, struct buf *text);
bool config_value_equal(const struct config *a, const struct config *b, const struct config_key *key);
/* What the row takes, in words: "a port from 0 to 65535". */
void config_value_expected(const struct config_name *name, struct buf *text);
/* "30s, 1h30m"; NULL where they would say nothing. */
const char *config_value_examples(const struct config_name *name);
/* `text` in double quotes as YAML reads it; a text longer than `longest` bytes is cut. */
void config_quote(struct buf *quoted, const char *text, size_t longest);

#endif
