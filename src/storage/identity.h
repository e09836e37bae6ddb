/* identity.h: the files that say whose a folder is: meta.properties and partition.metadata, as Kafka writes them. */
#ifndef STORAGE_IDENTITY_H
#define STORAGE_IDENTITY_H

#include "base/check.h"
#include "base/uuid.h"

#include <stdint.h>

/* Read the data folder's meta.properties, or make it with new ids. ERR_CONFIG: another node's folder; ERR_CORRUPT: not
 * such a file. Each is logged. Blocks. */
int identity_open(const char *data_dir, int32_t node_id, char cluster_id[UUID_TEXT_BYTES]) MUST_USE;

/* The topic id in a partition's folder. ERR_NOT_FOUND: there is no such file; ERR_CORRUPT. Blocks. */
int identity_read_topic(const char *partition_folder, struct uuid *topic_id) MUST_USE;
/* Write it, and the leader epochs of a partition that has ever had one leader. Blocks. */
int identity_write_topic(const char *partition_folder, const struct uuid *topic_id) MUST_USE;

#endif
