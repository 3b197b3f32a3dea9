/* SPDX-License-Identifier: MIT */
/*
 * Intrusive red-black tree with augmentation: a caller-supplied update recomputes a node's summary
 * of its subtree from the node and its two children. Source: CLRS, chapter 13 and 14.
 *
 * The caller finds the place itself (walks `left`/`right`), so that comparisons are inlined.
 */
#ifndef LIB_RBTREE_H
#define LIB_RBTREE_H

#include <hal/types.h>

struct rb_node {
	struct rb_node *parent, *left, *right;
	bool is_red;
};

struct rb_root {
	struct rb_node *node;
};

/* Recomputes the summary in n from n and its children; NULL when the tree has none. Returns whether
 * the summary changed (propagation upwards stops when it did not). */
typedef bool (*rb_update_fn)(struct rb_node *n);

/* n's own key or payload changed without changing the order: recomputes n and its ancestors, as far as
 * summaries change. */
static inline void rb_propagate(struct rb_node *n, rb_update_fn update)
{
	while (n && update(n))
		n = n->parent;
}

/* Restores the colours after n was linked red below a red parent. */
void rb_insert_fixup(struct rb_root *root, struct rb_node *n, rb_update_fn update);

/* Links n as child of parent (NULL: the root) at *link (&parent->left, &parent->right or
 * &root->node, which is NULL), rebalances, updates summaries up to the root. n's own summary is that of a
 * node without children already. Inline, so that a constant `update` is too. */
static inline void rb_insert(struct rb_root *root, struct rb_node *n, struct rb_node *parent, struct rb_node **link,
                             rb_update_fn update)
{
	n->parent = parent;
	n->left = n->right = NULL;
	n->is_red = parent != NULL;
	*link = n;
	if (update)
		rb_propagate(parent, update);
	if (parent && parent->is_red)
		rb_insert_fixup(root, n, update);
}
void rb_erase(struct rb_root *root, struct rb_node *n, rb_update_fn update);

struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);

/* NULL or what is broken: colours, heights, parent links. */
const char *rb_validate(const struct rb_root *root);

#endif
