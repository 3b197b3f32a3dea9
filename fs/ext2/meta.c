/* SPDX-License-Identifier: MIT */
/*
 * A file's own metadata blocks that changed: indirect blocks, and new blocks of directories and symbolic
 * links. They are held here, not marked dirty for the flusher, until the file's record is written:
 * first the new ones, then a flush, then those that lead to them and the record. So nothing on the
 * disk ever leads to a block whose content is not there yet (rule C2 of commit.c).
 *
 * A block held here has a reference, so its page stays in memory although it is not marked dirty.
 */
#include "ext2.h"

static struct slab_cache *meta_cache;

void ext2_meta_init_cache(void)
{
	meta_cache = slab_cache_create("ext2_meta", sizeof(struct ext2_meta), 0, 0);
	ASSERT(meta_cache);
}

struct ext2_meta *ext2_meta_alloc(void) { return slab_alloc(meta_cache, ALLOC_WAIT); }

void ext2_meta_free(struct ext2_meta *n)
{
	if (n)
		slab_free(meta_cache, n);
}

struct ext2_meta *ext2_meta_find(struct ext2_inode *e, u64 block)
{
	struct rb_node *n = e->metas.node;
	while (n) {
		struct ext2_meta *m = container_of(n, struct ext2_meta, node);
		if (m->buffer.block == block)
			return m;
		n = block < m->buffer.block ? n->left : n->right;
	}
	return NULL;
}

void ext2_meta_add(struct ext2_inode *e, struct ext2_meta *n, const struct buffer *b, bool is_new)
{
	struct rb_node *parent = NULL, **link = &e->metas.node;
	n->buffer = *b;
	n->is_new = is_new;
	while (*link) {
		parent = *link;
		link = b->block < container_of(parent, struct ext2_meta, node)->buffer.block ? &parent->left : &parent->right;
	}
	rb_insert(&e->metas, &n->node, parent, link, NULL);
}

void ext2_meta_changed(struct ext2_inode *e, const struct buffer *b, struct ext2_meta **spare)
{
	if (ext2_meta_find(e, b->block))
		return;
	frame_get(b->frame);
	ext2_meta_add(e, *spare, b, false);
	*spare = NULL;
}

static void drop(struct ext2_inode *e, struct ext2_meta *n)
{
	rb_erase(&e->metas, &n->node, NULL);
	buffer_put(&n->buffer);
	ext2_meta_free(n);
}

void ext2_meta_forget(struct ext2_inode *e, u64 block)
{
	struct ext2_meta *n = ext2_meta_find(e, block);
	if (n)
		drop(e, n);
}

void ext2_meta_drop(struct ext2_inode *e)
{
	while (e->metas.node)
		drop(e, container_of(e->metas.node, struct ext2_meta, node));
}

/* Writes those that are (not) new; the first error. */
static int write_those(struct ext2_inode *e, bool is_new, bool *any)
{
	int err = 0;
	for (struct rb_node *n = rb_first(&e->metas); n; n = rb_next(n)) {
		struct ext2_meta *m = container_of(n, struct ext2_meta, node);
		if (m->is_new != is_new)
			continue;
		buffer_dirty(&m->buffer);
		int one = buffer_write(&m->buffer);
		err = err ? err : one;
		*any = true;
	}
	return err;
}

int ext2_meta_write(struct ext2_inode *e)
{
	bool any_new = false, any_old = false;
	if (!e->metas.node)
		return 0;
	int err = write_those(e, true, &any_new);
	if (!err && any_new)
		err = block_flush(e->store.dev);
	if (err)
		return err; /* they stay, for the next time */
	err = write_those(e, false, &any_old);
	if (!err)
		ext2_meta_drop(e);
	return err;
}
