/* SPDX-License-Identifier: MIT */
/*
 * The walk's fast part: as far as the cache of names knows the way, under one hold of vfs_lock and without a
 * reference on the way; only where it stops it takes some. It never fails but for a name that is known
 * not to exist: before whatever it cannot do (a name that is not cached, a directory that may not be
 * searched, a link whose text is not in memory), it stops, and walk_run goes on from there.
 *
 * A symbolic link's text is walked where it lies. When the walk stops inside one, it goes back to before
 * the outermost link, since the rest of its string is in two places then.
 *
 * Under vfs_lock no name leaves the hash, and the inode and the parent of a name that is in it stay.
 */
#include "path.h"

#define TEXTS_MAX 4u /* texts of links inside texts of links */

struct texts {
	bool in_text;
	bool is_used_up;               /* the string given is: all that comes is texts */
	unsigned nr;
	unsigned nr_links, links_before;
	const char *behind[TEXTS_MAX]; /* what stands behind each link that is being followed; never "" */
	struct path at_before;         /* while in a text: the place and the rest before the outermost link */
	const char *rest_before;
};

static inline const char *skip_slashes(const char *s)
{
	while (*s == '/')
		s++;
	return s;
}

static inline bool may_search(struct inode *i)
{
	if (unlikely(!S_ISDIR(i->mode) || i->ops->permission))
		return false;
	return (i->mode & 0111) == 0111 || inode_permission(i, MAY_EXEC) == 0;
}

static bool is_at(struct path a, struct path b) { return a.node == b.node && a.mount == b.mount; }

static __attribute__((noinline)) struct path step_up(struct path at)
{
	struct path root = fs_root_locked();
	while (!is_at(at, root) && at.node == at.mount->root && at.mount->parent)
		at = (struct path){ at.mount->point, at.mount->parent };
	if (is_at(at, root))
		return at;
	at.node = at.node->parent;
	return mount_top_locked(at);
}

/* The walk is at *at, `rest` begins with the link `to`, behind which `behind` follows: on with its text, or NULL.
 * *at may become the root. */
static __attribute__((noinline)) const char *follow(struct texts *t, struct path *at, struct path to, const char *rest, const char *behind)
{
	const char *text = to.node->inode->link;
	if (!text || t->nr_links == FS_LINKS_MAX || (to.mount->flags & MS_NOSYMFOLLOW) || (*behind && t->nr == TEXTS_MAX))
		return NULL;
	if (!t->in_text) {
		t->at_before = *at;
		t->rest_before = rest;
		t->links_before = t->nr_links;
		t->is_used_up = !*behind;
	}
	t->in_text = true;
	t->nr_links++;
	if (*behind)
		t->behind[t->nr++] = behind;
	if (*text == '/')
		*at = fs_root_locked();
	return skip_slashes(text);
}

/* At the end of a text: what stands behind its link. */
static const char *leave_text(struct texts *t)
{
	const char *rest = t->behind[--t->nr];
	t->in_text = t->nr || t->is_used_up;
	return rest;
}

static inline bool is_dots(const char *s, size_t len) { return s[0] == '.' && (len == 1 || (len == 2 && s[1] == '.')); }

int walk_advance_locked(struct walk *w)
{
	struct path at = w->at;
	const char *s = skip_slashes(w->rest), *behind;
	bool follows_last = w->flags & LOOKUP_FOLLOW;
	struct texts t;
	int err = 0;
	t.in_text = false;
	t.nr = t.nr_links = 0;
	for (;; s = behind) {
		u32 hash;
		if (!*s) {
			if (!t.nr)
				goto out;
			s = leave_text(&t);
		}
		if (!may_search(at.node->inode))
			break;
		size_t len = component_scan(at.node, s, &hash);
		bool slash = s[len] == '/';
		behind = slash ? skip_slashes(s + len + 1) : s + len;
		bool is_last = !*behind && !t.nr;
		if (unlikely(is_last)) {
			if (w->flags & LOOKUP_PARENT)
				break;
			w->must_be_dir |= slash;
			follows_last |= slash; /* so does each link in the text of such a one */
		}
		if (unlikely(is_dots(s, len))) {
			at = len == 1 ? at : step_up(at);
			continue;
		}
		struct path to = { node_find_locked(at.node, hash, s, len), at.mount };
		if (unlikely(!to.node))
			break;
		if (unlikely(node_is_absent(to.node))) {
			err = -ENOENT;
			break;
		}
		if (unlikely(to.node->nr_mounts))
			to = mount_top_locked(to);
		if (unlikely(S_ISLNK(to.node->inode->mode)) && (!is_last || follows_last)) {
			struct path from = at;
			behind = follow(&t, &from, to, s, behind);
			if (!behind)
				break;
			at = from;
		} else {
			at = to;
		}
	}
	if (t.in_text) { /* stopped inside */
		at = t.at_before;
		s = t.rest_before;
		t.nr_links = t.links_before;
	}
out:
	w->at = at;
	w->rest = s;
	w->nr_links = t.nr_links;
	return err;
}
