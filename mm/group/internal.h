/* SPDX-License-Identifier: MIT */
/* Memory groups as the files of mm/group/ see them. */
#ifndef MM_GROUP_INTERNAL_H
#define MM_GROUP_INTERNAL_H

#include <mm/group.h>

/* nr more references, unless there is none any more. */
bool mem_group_try_get(struct mem_group *g, s64 nr);
void mem_group_put_many(struct mem_group *g, s64 nr);

#endif
