/* The reader: libyaml's events to a tree. libyaml keeps its state on the heap, so depth costs no stack; it is bounded
 * all the same, because the decoder walks the tree by recursion. YAML that two readers could take in two ways (aliases,
 * merge keys, tags, a key twice) is refused. Control thread, cold. */
#include "config/tree.h"

#include <assert.h>
#include <stdio.h>

#include <yaml.h>

enum { PATH_TEXT_MAX = 512 };

/* The reading of one source. */
struct reader {
	struct arena *arena;
	struct report *report;
	struct span file;
	struct span bytes;
	yaml_parser_t parser;
	struct node *stack[CONFIG_DEPTH_MAX]; /* open maps and lists, the innermost last */
	uint32_t depth;
	struct node *key; /* a map's key whose value comes next, or NULL */
	struct node *first, *last;
	uint32_t nodes;
};

static struct config_position position(const struct reader *rd, yaml_mark_t m)
{
	return (struct config_position){ rd->file, (uint32_t)m.line + 1, (uint32_t)m.column + 1 };
}

/* Where the reading is: the keys and places of the open maps and lists, and the key whose value comes. */
static void path_format(const struct reader *rd, char out[PATH_TEXT_MAX])
{
	size_t used = 0;
	out[0] = 0;
	for (uint32_t i = 1; i <= rd->depth && used < PATH_TEXT_MAX; i++) {
		const struct node *up = rd->stack[i - 1], *n = i < rd->depth ? rd->stack[i] : NULL;
		assert(up); /* every level below depth is open */
		struct span key = n ? n->key : rd->key ? rd->key->text : SPAN_NONE;
		if (up->type == NODE_LIST)
			used += (size_t)snprintf(out + used, PATH_TEXT_MAX - used, "[%u]",
						 n ? up->count - 1 : up->count);
		else if (key.n)
			used += (size_t)snprintf(out + used, PATH_TEXT_MAX - used, "%s%.*s", used ? "." : "",
						 SPAN_ARG(key));
	}
}

static int refuse(struct reader *rd, yaml_mark_t m, const char *what)
{
	struct config_position at = position(rd, m);
	char path[PATH_TEXT_MAX];
	path_format(rd, path);
	report_add(rd->report, &at, path, "%s", what);
	return -PS_ECONFIG;
}

/* Bytes that are no UTF-8 or no YAML character have an offset instead of a mark. */
static struct config_position position_of_offset(const struct reader *rd, size_t offset)
{
	struct config_position at = { rd->file, 1, 1 };
	for (size_t i = 0; i < offset && i < rd->bytes.n; i++) {
		if (rd->bytes.p[i] == '\n') {
			at.line++;
			at.column = 1;
		} else if (((unsigned char)rd->bytes.p[i] & 0xc0) != 0x80) {
			at.column++;
		}
	}
	return at;
}

static void report_syntax(struct reader *rd)
{
	const yaml_parser_t *p = &rd->parser;
	struct config_position at = p->error == YAML_READER_ERROR ? position_of_offset(rd, p->problem_offset)
								  : position(rd, p->problem_mark);
	const char *problem = p->problem ? p->problem : "out of memory";
	if (p->context)
		report_add(rd->report, &at, "", "not valid YAML: %s (%s that begins in line %zu)", problem, p->context,
			   p->context_mark.line + 1);
	else
		report_add(rd->report, &at, "", "not valid YAML: %s", problem);
}

static bool is_key_position(const struct reader *rd)
{
	return rd->depth && rd->stack[rd->depth - 1]->type == NODE_MAP && !rd->key;
}

static void append(struct node *parent, struct node *n)
{
	if (parent->last)
		parent->last->next = n;
	else
		parent->first = n;
	parent->last = n;
	parent->count++;
}

/* Hangs a new node in its place: a document, an item, or the value of the key before it. */
static void place(struct reader *rd, struct node *n)
{
	if (!rd->depth) {
		if (node_is_null(n))
			return;
		if (rd->last)
			rd->last->next = n;
		else
			rd->first = n;
		rd->last = n;
		return;
	}
	if (rd->key) {
		n->key = rd->key->text;
		n->key_at = rd->key->at;
		rd->key = NULL;
	}
	append(rd->stack[rd->depth - 1], n);
}

static struct node *node_new(struct reader *rd, enum node_type type, yaml_mark_t m)
{
	if (rd->nodes++ >= TREE_NODES_MAX) {
		(void)refuse(rd, m, "too many values in one file; wanted at most 1048576");
		return NULL;
	}
	struct node *n = arena_new(rd->arena, struct node);
	if (!n) {
		(void)refuse(rd, m, "too large: no memory is left to read it");
		return NULL;
	}
	n->type = type;
	n->at = position(rd, m);
	return n;
}

static int refuse_extras(struct reader *rd, const yaml_event_t *ev, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		return refuse(rd, ev->start_mark,
			      "an anchor (&) is not supported; wanted the value written out where it is needed");
	if (tag)
		return refuse(rd, ev->start_mark, "a tag (!) is not supported; wanted a plain value");
	return 0;
}

static int take_key(struct reader *rd, const yaml_event_t *ev, struct node *n)
{
	if (n->plain && span_eq(n->text, SPAN("<<")))
		return refuse(rd, ev->start_mark, "a merge key (<<) is not supported; wanted the fields written out");
	if (!n->text.n)
		return refuse(rd, ev->start_mark, "a key is empty; wanted a name before the colon");
	rd->key = n;
	return 0;
}

static int on_scalar(struct reader *rd, const yaml_event_t *ev)
{
	int r = refuse_extras(rd, ev, ev->data.scalar.anchor, ev->data.scalar.tag);
	if (r)
		return r;
	struct node *n = node_new(rd, NODE_SCALAR, ev->start_mark);
	if (!n)
		return -PS_ENOMEM;
	n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->text = arena_dup(rd->arena, span_of((const char *)ev->data.scalar.value, ev->data.scalar.length));
	if (!n->text.p)
		return refuse(rd, ev->start_mark, "too large: no memory is left to read it");
	if (is_key_position(rd))
		return take_key(rd, ev, n);
	place(rd, n);
	return 0;
}

static int open_node(struct reader *rd, const yaml_event_t *ev, enum node_type type)
{
	bool map = type == NODE_MAP;
	int r = refuse_extras(rd, ev, map ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor,
			      map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag);
	if (r)
		return r;
	if (is_key_position(rd))
		return refuse(rd, ev->start_mark, "a key is a list or an object; wanted a name");
	if (rd->depth == CONFIG_DEPTH_MAX)
		return refuse(rd, ev->start_mark, "nested too deeply; wanted at most 64 levels");
	struct node *n = node_new(rd, type, ev->start_mark);
	if (!n)
		return -PS_ENOMEM;
	place(rd, n);
	rd->stack[rd->depth++] = n;
	return 0;
}

static void complain_twice(struct reader *rd, const struct node *again, const struct node *before)
{
	char path[PATH_TEXT_MAX];
	path_format(rd, path);
	report_add(rd->report, &again->key_at, path, "\"%.*s\" stands twice in this object; the first is in line %u",
		   SPAN_ARG(again->key), before->key_at.line);
}

/* A map is looked through when it is whole. */
static int close_map(struct reader *rd, const yaml_event_t *ev, const struct node *n)
{
	struct map seen;
	map_init(&seen, TREE_NODES_MAX);
	int r = 0;
	for (struct node *c = n->first; c && !r; c = c->next) {
		const struct node *before = map_find(&seen, c->key);
		if (before)
			complain_twice(rd, c, before);
		else if ((r = map_put(&seen, c->key, c)))
			(void)refuse(rd, ev->start_mark, "too large: no memory is left to read it");
	}
	map_free(&seen);
	return r;
}

static int close_node(struct reader *rd, const yaml_event_t *ev)
{
	const struct node *n = rd->stack[rd->depth - 1];
	int r = n->type == NODE_MAP ? close_map(rd, ev, n) : 0;
	rd->depth--;
	return r;
}

static int on_event(struct reader *rd, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_ALIAS_EVENT:
		return refuse(rd, ev->start_mark, "an alias (*) is not supported; wanted the value written out");
	case YAML_SCALAR_EVENT:
		return on_scalar(rd, ev);
	case YAML_SEQUENCE_START_EVENT:
		return open_node(rd, ev, NODE_LIST);
	case YAML_MAPPING_START_EVENT:
		return open_node(rd, ev, NODE_MAP);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_node(rd, ev);
	default:
		return 0;
	}
}

static void read_events(struct reader *rd)
{
	yaml_event_type_t type = YAML_NO_EVENT;
	int r = 0;
	while (!r && type != YAML_STREAM_END_EVENT) {
		yaml_event_t ev;
		if (!yaml_parser_parse(&rd->parser, &ev)) {
			report_syntax(rd);
			return;
		}
		type = ev.type;
		r = on_event(rd, &ev);
		yaml_event_delete(&ev);
	}
}

/* A document that was broken off is taken out again: half an object would only bring more complaints. */
static struct node *whole_documents(struct reader *rd)
{
	if (!rd->depth)
		return rd->first;
	struct node *broken = rd->stack[0];
	if (rd->first == broken)
		return NULL;
	for (struct node *n = rd->first; n; n = n->next)
		if (n->next == broken)
			n->next = NULL;
	return rd->first;
}

struct node *tree_read(struct arena *a, const struct config_source *src, struct report *r)
{
	struct reader rd = { .arena = a, .report = r, .file = src->name, .bytes = src->bytes };
	struct config_position at = { src->name, 1, 1 };
	if (src->bytes.n > CONFIG_FILE_BYTES_MAX) {
		report_add(r, &at, "", "the file has %zu bytes; wanted at most %d", src->bytes.n,
			   CONFIG_FILE_BYTES_MAX);
		return NULL;
	}
	if (!yaml_parser_initialize(&rd.parser)) {
		report_add(r, &at, "", "no memory is left to read it");
		return NULL;
	}
	yaml_parser_set_encoding(&rd.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&rd.parser, (const unsigned char *)src->bytes.p, src->bytes.n);
	read_events(&rd);
	yaml_parser_delete(&rd.parser);
	return whole_documents(&rd);
}

const struct node *tree_child(const struct node *map, struct span key)
{
	for (const struct node *c = map->first; c; c = c->next)
		if (span_eq(c->key, key))
			return node_is_null(c) ? NULL : c;
	return NULL;
}

static bool is_one_of(struct span text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(text, span_str(words[i])))
			return true;
	return false;
}

bool node_is_null(const struct node *n)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	return n->type == NODE_SCALAR && n->plain && is_one_of(n->text, nulls, sizeof nulls / sizeof nulls[0]);
}

/* What YAML 1.1 readers take for truth values, whose list differs between them: as texts they need quotes. */
static bool reads_as_truth(struct span t)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off", "y", "n" };
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (span_eq_nocase(t, span_str(words[i])))
			return true;
	return false;
}

/* A sign, digits, '_', at most one '.', an exponent; or 0x…, 0o…, .inf, .nan: what some YAML reader takes for a number.
 */
static bool reads_as_number(struct span t)
{
	if (t.n && (t.p[0] == '-' || t.p[0] == '+'))
		t = span_skip(t, 1);
	if (span_eq_nocase(t, SPAN(".inf")) || span_eq_nocase(t, SPAN(".nan")))
		return true;
	if (!t.n || !((t.p[0] >= '0' && t.p[0] <= '9') || (t.p[0] == '.' && t.n > 1 && t.p[1] >= '0' && t.p[1] <= '9')))
		return false;
	size_t hex = t.n > 2 && t.p[0] == '0' && (t.p[1] == 'x' || t.p[1] == 'o' || t.p[1] == 'b') ? 2 : 0;
	unsigned dots = 0;
	for (size_t i = hex; i < t.n; i++) {
		char c = t.p[i];
		bool digit = (c >= '0' && c <= '9') || c == '_' || (hex && ((c | 32) >= 'a' && (c | 32) <= 'f'));
		bool exponent = !hex && (c | 32) == 'e' && i + 1 < t.n;
		if (exponent && (t.p[i + 1] == '-' || t.p[i + 1] == '+'))
			i++;
		else if (c == '.')
			dots++;
		else if (!digit && !exponent)
			return false;
	}
	return dots <= 1;
}

bool node_is_text(const struct node *n)
{
	return n->type == NODE_SCALAR &&
	       (!n->plain || !(node_is_null(n) || reads_as_truth(n->text) || reads_as_number(n->text)));
}

const char *node_describe(const struct node *n)
{
	if (n->type == NODE_LIST)
		return "a list";
	if (n->type == NODE_MAP)
		return "an object";
	if (!n->plain)
		return "a text";
	if (node_is_null(n))
		return "null";
	return reads_as_truth(n->text) ? "a truth value" : reads_as_number(n->text) ? "a number" : "a text";
}
