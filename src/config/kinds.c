/* From a document to an object: apiVersion and kind choose a row, its record does the rest. Control thread, cold. */
#include "config/kinds.h"

#include <stdio.h>

enum { WORDS_MAX = 1024 };

#define INFERENCE_GROUPS "llm-d.ai/v1alpha2 inference.networking.x-k8s.io/v1alpha2"
#define GATEWAY_GROUPS "gateway.networking.k8s.io/v1 gateway.networking.k8s.io/v1beta1"

const struct kind_row config_kinds[CONFIG_KIND_COUNT] = {
	[CONFIG_GATEWAY_CLASS] = { "GatewayClass", GATEWAY_GROUPS, true, &record_gateway_class,
				   "Accepted, so that manifests for a cluster can be used as they are; of no effect in "
				   "files." },
	[CONFIG_GATEWAY] = { "Gateway", GATEWAY_GROUPS, false, &record_gateway, "Where to listen." },
	[CONFIG_HTTP_ROUTE] = { "HTTPRoute", GATEWAY_GROUPS, false, &record_http_route,
				"Which requests go to which pool." },
	[CONFIG_REFERENCE_GRANT] = { "ReferenceGrant", "gateway.networking.k8s.io/v1beta1 gateway.networking.k8s.io/v1",
				     false, &record_reference_grant,
				     "Lets routes of one namespace use backends of another." },
	[CONFIG_SERVICE] = { "Service", "v1", false, &record_service,
			     "A backend whose replicas are its EndpointSlices (label kubernetes.io/service-name)." },
	[CONFIG_ENDPOINT_SLICE] = { "EndpointSlice", "discovery.k8s.io/v1", false, &record_endpoint_slice,
				    "Addresses of replicas: of the pools whose selector its labels match." },
	[CONFIG_POD] = { "Pod", "v1", false, &record_pod, "A replica of the pools whose selector its labels match." },
	[CONFIG_SECRET] = { "Secret", "v1", false, &record_secret, "Keys and passwords, for objects that name it." },
	[CONFIG_CONFIG_MAP] = { "ConfigMap", "v1", false, &record_config_map, "Texts, for objects that name it." },
	[CONFIG_INFERENCE_POOL] = { "InferencePool", "inference.networking.k8s.io/v1", false, &record_inference_pool,
				    "Replicas that serve the same models." },
	[CONFIG_INFERENCE_OBJECTIVE] = { "InferenceObjective", INFERENCE_GROUPS, false, &record_objective,
					 "A priority that requests can name." },
	[CONFIG_INFERENCE_MODEL_REWRITE] = { "InferenceModelRewrite", INFERENCE_GROUPS, false, &record_model_rewrite,
					     "Under which name a model is asked for at a pool's replicas: aliases, "
					     "adapters, canaries." },
	[CONFIG_INFERENCE_POLICY] = { "InferencePolicy", "penstock.dev/v1alpha1", false, &record_inference_policy,
				      "Options of the InferencePools it targets." },
	[CONFIG_LISTENER_POLICY] = { "ListenerPolicy", "penstock.dev/v1alpha1", false, &record_listener_policy,
				     "Options of the Gateways, or sections of them, that it targets." },
};

/* Kinds of other milestones, so that the message can tell them from slips of the pen. */
static const char later[] =
	"BackendTLSPolicy EndpointPickerConfig InferencePoolImport GRPCRoute TLSRoute TCPRoute UDPRoute";

static const struct field metadata_fields[] = {
	TEXT("name", REQUIRED, struct config_meta, name, scalar_is_dns_subdomain, NULL, "name of the object"),
	TEXT("namespace", 0, struct config_meta, namespace, scalar_is_dns_label, "default", "namespace it is in"),
	PLAIN("labels", F_LABELS, 0, struct config_meta, labels, "what selectors match"),
	PLAIN("annotations", F_STRINGS, 0, struct config_meta, annotations, "kept, of no effect"),
	{ .name = "creationTimestamp",
	  .type = F_TIME,
	  .at = offsetof(struct config_meta, created),
	  .initial = CONFIG_NO_TIME,
	  .help = "among equal routes the older wins; none counts as the youngest" },
	{ .name = "deletionTimestamp",
	  .type = F_TIME,
	  .at = offsetof(struct config_meta, deleted),
	  .initial = CONFIG_NO_TIME,
	  .help = "a Pod with one takes no new requests" },
};
const struct record record_metadata = {
	.name = "metadata", .position_at = NO_POSITION, .lenient = true, FIELDS(metadata_fields)
};

void finish_ref(struct decoder *d, const struct node *n, void *value)
{
	(void)n;
	struct config_ref *ref = value;
	if (!ref->namespace.n)
		ref->namespace = d->namespace;
}

static const struct node *child_or_self(const struct node *doc, const char *key)
{
	const struct node *c = tree_child(doc, span_str(key));
	return c ? c : doc;
}

static void complain_kind(struct decoder *d, const struct node *doc, struct span kind)
{
	char words[WORDS_MAX];
	size_t used = 0;
	bool refused;
	for (size_t i = 0; i < CONFIG_KIND_COUNT; i++)
		used += (size_t)snprintf(words + used, sizeof words - used, "%s%s", i ? " " : "", config_kinds[i].name);
	struct span near = scalar_near(kind, words);
	const struct node *at = child_or_self(doc, "kind");
	char known[WORDS_MAX];
	scalar_words_format(words, known, sizeof known);
	if (scalar_word(kind, later, &refused) >= 0)
		decode_complain(d, at, "kind", "%.*s is not supported; wanted %s", SPAN_ARG(kind), known);
	else if (near.n)
		decode_complain(d, at, "kind", "unknown kind \"%.*s\"; did you mean \"%.*s\"?", SPAN_ARG(kind),
				SPAN_ARG(near));
	else
		decode_complain(d, at, "kind", "unknown kind \"%.*s\"; wanted %s", SPAN_ARG(kind), known);
}

static const struct kind_row *kind_row_of(struct span kind)
{
	for (size_t i = 0; i < CONFIG_KIND_COUNT; i++)
		if (span_eq(kind, span_str(config_kinds[i].name)))
			return &config_kinds[i];
	return NULL;
}

static bool version_fits(struct decoder *d, const struct node *doc, const struct kind_row *row, struct span version)
{
	bool refused;
	if (scalar_word(version, row->versions, &refused) >= 0)
		return true;
	decode_complain(d, child_or_self(doc, "apiVersion"), "apiVersion",
			"unknown version \"%.*s\" of %s; wanted %.*s", SPAN_ARG(version), row->name,
			(int)strcspn(row->versions, " "), row->versions);
	return false;
}

/* A text field at the head of a document, or SPAN_NONE and a complaint. */
static struct span head_text(struct decoder *d, const struct node *doc, const char *key, const char *wanted)
{
	const struct node *c = tree_child(doc, span_str(key));
	if (!c)
		decode_complain(d, doc, key, "missing; wanted %s", wanted);
	else if (!node_is_text(c))
		decode_complain(d, c, key, "is %s; wanted %s", node_describe(c), wanted);
	return c && node_is_text(c) ? c->text : SPAN_NONE;
}

static bool prepare_policy(struct decoder *d, enum config_kind kind, struct config_policy *p)
{
	size_t rows;
	(void)option_rows(&rows);
	p->sets = arena_array(d->arena, struct config_policy_set, rows);
	p->set_room = (uint32_t)rows;
	if (kind == CONFIG_LISTENER_POLICY)
		p->listener = config_listener_options_default();
	else
		p->pool = config_pool_options_default();
	d->policy = p;
	return p->sets;
}

/* The namespace is needed by references, which may stand before metadata in the text. */
static struct span namespace_of(struct decoder *d, const struct node *doc, const struct kind_row *row)
{
	const struct node *m = tree_child(doc, SPAN("metadata"));
	const struct node *ns = m && m->type == NODE_MAP ? tree_child(m, SPAN("namespace")) : NULL;
	if (row->cluster_wide)
		return SPAN_NONE;
	return ns && node_is_text(ns) ? decode_keep(d, ns->text) : SPAN("default");
}

static struct config_meta *decode_object(struct decoder *d, const struct node *doc, const struct kind_row *row,
					 struct span version)
{
	struct config_meta *m = arena_alloc(d->arena, row->record->size);
	if (!m) {
		d->no_memory = true;
		return NULL;
	}
	m->kind = (enum config_kind)(row - config_kinds);
	ptrdiff_t slash = span_find(version, '/');
	m->group = slash < 0 ? SPAN("") : decode_keep(d, span_head(version, (size_t)slash));
	d->namespace = namespace_of(d, doc, row);
	if (row->record == &record_listener_policy || row->record == &record_inference_policy)
		d->no_memory |= !prepare_policy(d, m->kind, (struct config_policy *)(void *)m);
	if (!d->no_memory)
		decode_record(d, row->record, doc, m);
	if (row->cluster_wide)
		m->namespace = SPAN_NONE;
	const struct node *meta = tree_child(doc, SPAN("metadata"));
	const struct node *name = meta && meta->type == NODE_MAP ? tree_child(meta, SPAN("name")) : NULL;
	m->at = name ? name->at : doc->at;
	return m;
}

static void decode_one(struct decoder *d, const struct node *doc, void (*each)(void *arg, struct config_meta *object),
		       void *arg)
{
	if (doc->type != NODE_MAP) {
		decode_complain(d, doc, NULL, "is %s; wanted an object with apiVersion and kind", node_describe(doc));
		return;
	}
	struct span version = head_text(d, doc, "apiVersion", "a text such as gateway.networking.k8s.io/v1");
	struct span kind = head_text(d, doc, "kind", "a text such as HTTPRoute");
	if (!version.n || !kind.n)
		return;
	const struct kind_row *row = kind_row_of(kind);
	if (!row) {
		complain_kind(d, doc, kind);
		return;
	}
	if (!version_fits(d, doc, row, version))
		return;
	struct config_meta *m = decode_object(d, doc, row, version);
	if (m && m->name.n)
		each(arg, m);
}

void kinds_decode(struct decoder *d, const struct node *doc, void (*each)(void *arg, struct config_meta *object),
		  void *arg)
{
	const struct node *kind = doc->type == NODE_MAP ? tree_child(doc, SPAN("kind")) : NULL;
	if (!kind || kind->type != NODE_SCALAR || !span_eq(kind->text, SPAN("List"))) {
		decode_one(d, doc, each, arg);
		return;
	}
	const struct node *items = tree_child(doc, SPAN("items"));
	if (!items || items->type != NODE_LIST) {
		decode_complain(d, items ? items : doc, "items", "%s; wanted a list of objects",
				items ? "is no list" : "missing");
		return;
	}
	struct crumb list = { NULL, SPAN("items"), 0 };
	uint32_t i = 0;
	for (const struct node *c = items->first; c; c = c->next) {
		struct crumb here = { &list, SPAN_NONE, i++ };
		d->path = &here;
		decode_one(d, c, each, arg);
	}
	d->path = NULL;
}
