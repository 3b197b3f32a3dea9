/* SPDX-License-Identifier: MIT */
/*
 * Red-black tree. Source: CLRS, chapter 13 (insertion, deletion), 14.2 (augmentation).
 *
 * R1  The root is black; a red node has black children.
 * R2  Every path from a node down to a missing child passes the same number of black nodes.
 */
#include <lib/rbtree.h>

static inline bool is_red(const struct rb_node *n) { return n && n->is_red; }

/* Makes `n` stand where `old` stood below old's parent. */
static void replace_child(struct rb_root *root, struct rb_node *old, struct rb_node *n)
{
	struct rb_node *p = old->parent;
	if (!p)
		root->node = n;
	else if (p->left == old)
		p->left = n;
	else
		p->right = n;
	if (n)
		n->parent = p;
}

/* Lifts x's right child over x; the summaries of both are recomputed. */
static void rotate_left(struct rb_root *root, struct rb_node *x, rb_update_fn update)
{
	struct rb_node *y = x->right;
	replace_child(root, x, y);
	x->right = y->left;
	if (x->right)
		x->right->parent = x;
	y->left = x;
	x->parent = y;
	if (update) {
		update(x);
		update(y);
	}
}

static void rotate_right(struct rb_root *root, struct rb_node *x, rb_update_fn update)
{
	struct rb_node *y = x->left;
	replace_child(root, x, y);
	x->left = y->right;
	if (x->left)
		x->left->parent = x;
	y->right = x;
	x->parent = y;
	if (update) {
		update(x);
		update(y);
	}
}

/* From n up to `stop`, whatever the summaries say: `stop` has new children. From there on as usual. */
static void propagate_through(struct rb_node *n, struct rb_node *stop, rb_update_fn update)
{
	if (!update)
		return;
	for (; n != stop; n = n->parent)
		update(n);
	update(stop);
	rb_propagate(stop->parent, update);
}

void rb_insert_fixup(struct rb_root *root, struct rb_node *n, rb_update_fn update)
{
	while (is_red(n->parent)) {
		struct rb_node *p = n->parent, *g = p->parent;
		bool on_left = p == g->left;
		struct rb_node *uncle = on_left ? g->right : g->left;
		if (is_red(uncle)) {
			p->is_red = uncle->is_red = false;
			g->is_red = true;
			n = g;
			continue;
		}
		if (n == (on_left ? p->right : p->left)) {
			n = p;
			on_left ? rotate_left(root, n, update) : rotate_right(root, n, update);
			p = n->parent;
		}
		p->is_red = false;
		g->is_red = true;
		on_left ? rotate_right(root, g, update) : rotate_left(root, g, update);
	}
	root->node->is_red = false;
}

/* A black node is missing above x (which may be NULL, below `parent`). */
static void erase_fixup(struct rb_root *root, struct rb_node *x, struct rb_node *parent, rb_update_fn update)
{
	while (x != root->node && !is_red(x)) {
		bool on_left = x == parent->left;
		struct rb_node *w = on_left ? parent->right : parent->left;
		if (is_red(w)) {
			w->is_red = false;
			parent->is_red = true;
			on_left ? rotate_left(root, parent, update) : rotate_right(root, parent, update);
			w = on_left ? parent->right : parent->left;
		}
		if (!is_red(w->left) && !is_red(w->right)) {
			w->is_red = true;
			x = parent;
			parent = x->parent;
			continue;
		}
		if (!is_red(on_left ? w->right : w->left)) {
			(on_left ? w->left : w->right)->is_red = false;
			w->is_red = true;
			on_left ? rotate_right(root, w, update) : rotate_left(root, w, update);
			w = on_left ? parent->right : parent->left;
		}
		w->is_red = parent->is_red;
		parent->is_red = false;
		(on_left ? w->right : w->left)->is_red = false;
		on_left ? rotate_left(root, parent, update) : rotate_right(root, parent, update);
		x = root->node;
	}
	if (x)
		x->is_red = false;
}

void rb_erase(struct rb_root *root, struct rb_node *z, rb_update_fn update)
{
	struct rb_node *x, *parent;
	bool removed_black;
	if (!z->left || !z->right) {
		x = z->left ? z->left : z->right;
		parent = z->parent;
		removed_black = !z->is_red;
		replace_child(root, z, x);
		if (update)
			rb_propagate(parent, update);
	} else {
		struct rb_node *y = z->right; /* the successor takes z's place and colour */
		while (y->left)
			y = y->left;
		removed_black = !y->is_red;
		x = y->right;
		parent = y;
		if (y->parent != z) {
			parent = y->parent;
			replace_child(root, y, x);
			y->right = z->right;
			y->right->parent = y;
		}
		replace_child(root, z, y);
		y->left = z->left;
		y->left->parent = y;
		y->is_red = z->is_red;
		propagate_through(parent, y, update);
	}
	if (removed_black)
		erase_fixup(root, x, parent, update);
}

struct rb_node *rb_first(const struct rb_root *root)
{
	struct rb_node *n = root->node;
	while (n && n->left)
		n = n->left;
	return n;
}

struct rb_node *rb_last(const struct rb_root *root)
{
	struct rb_node *n = root->node;
	while (n && n->right)
		n = n->right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *n)
{
	if (n->right) {
		for (n = n->right; n->left;)
			n = n->left;
		return (struct rb_node *)n;
	}
	while (n->parent && n == n->parent->right)
		n = n->parent;
	return n->parent;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	if (n->left) {
		for (n = n->left; n->right;)
			n = n->right;
		return (struct rb_node *)n;
	}
	while (n->parent && n == n->parent->left)
		n = n->parent;
	return n->parent;
}

/* Black height, or -1 with *broken set. */
static int validate_below(const struct rb_node *n, const char **broken)
{
	if (!n)
		return 0;
	if ((n->left && n->left->parent != n) || (n->right && n->right->parent != n))
		*broken = "rbtree: a child names another parent";
	else if (n->is_red && (is_red(n->left) || is_red(n->right)))
		*broken = "rbtree: red below red";
	if (*broken)
		return -1;
	int left = validate_below(n->left, broken), right = *broken ? -1 : validate_below(n->right, broken);
	if (!*broken && left != right)
		*broken = "rbtree: black heights differ";
	return left + !n->is_red;
}

const char *rb_validate(const struct rb_root *root)
{
	const char *broken = NULL;
	if (is_red(root->node))
		return "rbtree: the root is red";
	validate_below(root->node, &broken);
	return broken;
}
