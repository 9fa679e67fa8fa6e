/* The store: sources in, objects by kind and name out. Loading goes source by source (tree, objects), then over all
 * objects (pools, listeners, references), so that an error in one file does not hide those of the next. Control thread;
 * cold. */
#include "config/config.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/kinds.h"
#include "config/store.h"

enum { TREE_ARENA_BYTES_MAX = 512 << 20 };

struct config_base config_base_default(void)
{
	return (struct config_base){ config_listener_options_default(), config_pool_options_default() };
}

struct span store_key(char out[CONFIG_KEY_MAX], enum config_kind kind, struct span namespace, struct span name)
{
	int n = snprintf(out, CONFIG_KEY_MAX, "%d/%.*s/%.*s", (int)kind, SPAN_ARG(namespace), SPAN_ARG(name));
	return span_of(out, n < 0 ? 0 : n < CONFIG_KEY_MAX ? (size_t)n : CONFIG_KEY_MAX - 1);
}

/* ---- loading ---- */

static bool list_add(struct kind_list *k, struct config_meta *m)
{
	if (k->count == k->room) {
		uint32_t room = k->room ? k->room * 2 : 8;
		struct config_meta **items = realloc(k->items, room * sizeof(struct config_meta *));
		if (!items)
			return false;
		k->items = items;
		k->room = room;
	}
	m->number = k->count;
	k->items[k->count++] = m;
	return true;
}

/* Takes one decoded object in; a name used twice is an error. */
static void on_object(void *arg, struct config_meta *m)
{
	struct loading *l = arg;
	char text[CONFIG_KEY_MAX];
	struct span key = store_key(text, m->kind, m->namespace, m->name);
	const struct config_meta *before = map_find(&l->config->by_name, key);
	if (before) {
		report_add(l->report, &m->at, "metadata.name",
			   "the name \"%.*s\" is taken by the %s of %.*s line %u; wanted another name",
			   SPAN_ARG(m->name), config_kind_name(m->kind), SPAN_ARG(before->at.file), before->at.line);
		return;
	}
	key = arena_dup(&l->config->arena, key);
	int r = key.p ? map_put(&l->config->by_name, key, m) : -PS_ENOMEM;
	if (r == -PS_ETOOBIG)
		report_add(l->report, &m->at, "", "too many objects; wanted at most %d", CONFIG_OBJECTS_MAX);
	l->no_memory |= r == -PS_ENOMEM || !list_add(&l->config->kinds[m->kind], m);
}

static void load_source(struct loading *l, const struct config_source *src)
{
	struct arena tree;
	arena_init(&tree, TREE_ARENA_BYTES_MAX);
	struct config_source named = { arena_dup(&l->config->arena, src->name), src->bytes };
	struct decoder d = { .arena = &l->config->arena, .report = l->report };
	uint32_t before = l->report->count;
	const struct node *doc = tree_read(&tree, &named, l->report);
	for (; doc && !l->no_memory; doc = doc->next) {
		kinds_decode(&d, doc, on_object, l);
		l->no_memory |= d.no_memory;
	}
	l->dangling_ok |= l->report->count != before;
	arena_free(&tree);
}

static int finish(struct loading *l, struct config_errors *errors)
{
	if (!l->no_memory) {
		pools_make(l);
		listeners_make(l);
		references_check(l);
	}
	report_tell(l->report, errors);
	return l->no_memory ? -PS_ENOMEM : l->report->count ? -PS_ECONFIG : 0;
}

static struct config *config_new(void)
{
	struct config *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	atomic_init(&c->refs, 1);
	arena_init(&c->arena, CONFIG_ARENA_BYTES_MAX);
	map_init(&c->by_name, CONFIG_OBJECTS_MAX);
	return c;
}

static int load(struct loading *l, const struct config_source *sources, size_t n, struct config_errors *errors)
{
	report_init(l->report);
	for (size_t i = 0; i < n && !l->no_memory; i++) {
		l->report->source = (uint32_t)i;
		load_source(l, &sources[i]);
	}
	int r = finish(l, errors);
	report_free(l->report);
	return r;
}

int config_load(const struct config_source *sources, size_t n, const struct config_base *base,
		enum config_strictness how, struct config_errors *errors, struct config **ret)
{
	struct config_base defaults = config_base_default();
	struct loading l = { .config = config_new(),
			     .report = malloc(sizeof(struct report)),
			     .base = base ? base : &defaults,
			     .strict = how == CONFIG_STRICT,
			     .dangling_ok = how == CONFIG_LENIENT };
	int r = l.config && l.report ? load(&l, sources, n, errors) : -PS_ENOMEM;
	free(l.report);
	if (r) {
		config_unref(l.config);
		return r;
	}
	*ret = l.config;
	return 0;
}

/* Counted as the workers' snapshots are: whoever takes a reference holds one already, so relaxed is enough to add; the
 * last to let go must see what the others did (acquire-release). */
const struct config *config_ref(const struct config *c)
{
	atomic_fetch_add_explicit(&((struct config *)(uintptr_t)c)->refs, 1, memory_order_relaxed);
	return c;
}

void config_unref(const struct config *c)
{
	struct config *own = (struct config *)(uintptr_t)c;
	if (!own || atomic_fetch_sub_explicit(&own->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < CONFIG_KIND_COUNT; i++)
		free(own->kinds[i].items);
	map_free(&own->by_name);
	arena_free(&own->arena);
	free(own);
}

/* ---- looking things up ---- */

uint32_t config_count(const struct config *c, enum config_kind kind)
{
	return c->kinds[kind].count;
}

const void *config_at(const struct config *c, enum config_kind kind, uint32_t i)
{
	return i < c->kinds[kind].count ? c->kinds[kind].items[i] : NULL;
}

const void *config_find(const struct config *c, enum config_kind kind, struct span namespace, struct span name)
{
	char text[CONFIG_KEY_MAX];
	return map_find(&c->by_name, store_key(text, kind, namespace, name));
}

const char *config_kind_name(enum config_kind kind)
{
	return config_kinds[kind].name;
}

struct span config_label_find(const struct config_labels *labels, struct span key)
{
	for (uint32_t i = 0; i < labels->count; i++)
		if (span_eq(labels->items[i].key, key))
			return labels->items[i].value;
	return SPAN_NONE;
}

static bool has_label(const struct config_labels *labels, const struct config_label *want)
{
	for (uint32_t i = 0; i < labels->count; i++)
		if (span_eq(labels->items[i].key, want->key))
			return span_eq(labels->items[i].value, want->value);
	return false;
}

bool config_labels_match(const struct config_labels *selector, const struct config_labels *labels)
{
	for (uint32_t i = 0; i < selector->count; i++)
		if (!has_label(labels, &selector->items[i]))
			return false;
	return selector->count > 0;
}
