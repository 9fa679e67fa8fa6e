/* Records of gateway.networking.k8s.io. Bounds of lists are those of the Gateway API's own definitions (v1). Tables;
 * the few functions check what a row cannot say. Control thread, cold. */
#include "config/kinds.h"

/* ---- references ---- */

static const struct field parent_fields[] = {
	{ .name = "group",
	  .type = F_TEXT,
	  .at = offsetof(struct config_ref, group),
	  .initial_text = "gateway.networking.k8s.io",
	  .help = "group of the parent" },
	{ .name = "kind",
	  .type = F_TEXT,
	  .at = offsetof(struct config_ref, kind),
	  .initial_text = "Gateway",
	  .help = "Gateway" },
	{ .name = "namespace",
	  .type = F_TEXT,
	  .at = offsetof(struct config_ref, namespace),
	  .check = scalar_is_dns_label,
	  .help = "default: the route's" },
	{ .name = "name",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_ref, name),
	  .check = scalar_is_dns_subdomain,
	  .help = "name of the Gateway" },
	{ .name = "sectionName",
	  .type = F_TEXT,
	  .at = offsetof(struct config_ref, section_name),
	  .check = scalar_is_dns_subdomain,
	  .help = "one listener of it; default: all" },
	{ .name = "port",
	  .type = F_NUMBER16,
	  .at = offsetof(struct config_ref, port),
	  .min = 1,
	  .max = 65535,
	  .help = "only listeners on this port" },
};
static const struct record record_parent = { .name = "parentRefs",
					     .size = sizeof(struct config_ref),
					     .position_at = offsetof(struct config_ref, at),
					     FIELDS(parent_fields),
					     .finish = finish_ref };

static void finish_backend(struct decoder *d, const struct node *n, void *value)
{
	struct config_backend_ref *b = value;
	b->pool = CONFIG_POOL_NONE;
	finish_ref(d, n, &b->ref);
}
static const struct field backend_fields[] = {
	{ .name = "group",
	  .type = F_TEXT,
	  .at = offsetof(struct config_backend_ref, ref.group),
	  .help = "inference.networking.k8s.io for an InferencePool, empty for a Service" },
	{ .name = "kind",
	  .type = F_TEXT,
	  .at = offsetof(struct config_backend_ref, ref.kind),
	  .initial_text = "Service",
	  .help = "InferencePool or Service" },
	{ .name = "namespace",
	  .type = F_TEXT,
	  .at = offsetof(struct config_backend_ref, ref.namespace),
	  .check = scalar_is_dns_label,
	  .help = "default: the route's; another one needs a ReferenceGrant" },
	{ .name = "name",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_backend_ref, ref.name),
	  .check = scalar_is_dns_subdomain,
	  .help = "name of the pool or Service" },
	{ .name = "port",
	  .type = F_NUMBER16,
	  .at = offsetof(struct config_backend_ref, ref.port),
	  .min = 1,
	  .max = 65535,
	  .help = "a port of the Service (required); not looked at for a pool" },
	{ .name = "weight",
	  .type = F_NUMBER32,
	  .at = offsetof(struct config_backend_ref, weight),
	  .min = 0,
	  .max = 1000000,
	  .initial = 1,
	  .help = "share of the requests, against the sum of the rule's weights" },
	UNSUPPORTED("filters", "filters of the whole rule"),
};
static const struct record record_backend = { .name = "backendRefs",
					      .size = sizeof(struct config_backend_ref),
					      .position_at = offsetof(struct config_backend_ref, ref.at),
					      FIELDS(backend_fields),
					      .finish = finish_backend };

/* ---- matches ---- */

static const struct field header_match_fields[] = {
	{ .name = "type",
	  .type = F_WORD,
	  .at = offsetof(struct config_value_match, type),
	  .words = "Exact !RegularExpression",
	  .help = "Exact" },
	{ .name = "name",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_value_match, name),
	  .check = scalar_is_field_name,
	  .help = "header name; case does not matter" },
	{ .name = "value",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_value_match, value),
	  .check = scalar_is_field_value,
	  .help = "its whole value" },
};
static const struct record record_header_match = { .name = "headers",
						   .size = sizeof(struct config_value_match),
						   .position_at = offsetof(struct config_value_match, at),
						   FIELDS(header_match_fields) };
static const struct field query_match_fields[] = {
	{ .name = "type",
	  .type = F_WORD,
	  .at = offsetof(struct config_value_match, type),
	  .words = "Exact !RegularExpression",
	  .help = "Exact" },
	{ .name = "name",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_value_match, name),
	  .check = scalar_is_field_name,
	  .help = "name of the parameter; case matters" },
	{ .name = "value",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_value_match, value),
	  .check = scalar_is_not_empty,
	  .help = "its whole value" },
};
static const struct record record_query_match = { .name = "queryParams",
						  .size = sizeof(struct config_value_match),
						  .position_at = offsetof(struct config_value_match, at),
						  FIELDS(query_match_fields) };
static const struct field path_fields[] = {
	{ .name = "type",
	  .type = F_WORD,
	  .at = offsetof(struct config_match, path_type),
	  .words = "PathPrefix Exact !RegularExpression",
	  .help = "PathPrefix goes by whole elements: /v1 is not the beginning of /v10" },
	{ .name = "value",
	  .type = F_TEXT,
	  .at = offsetof(struct config_match, path),
	  .check = scalar_is_path,
	  .initial_text = "/",
	  .help = "the path" },
};
static const struct record record_path = { .name = "path", .position_at = NO_POSITION, FIELDS(path_fields) };

static const char methods[] = "GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH";
static const struct field match_fields[] = {
	{ .name = "path", .type = F_RECORD, .record = &record_path, .help = "the path of the request; default: any" },
	{ .name = "method",
	  .type = F_WORD,
	  .at = offsetof(struct config_match, method_word),
	  .words = methods,
	  .initial = -1,
	  .help = "its method; default: any" },
	{ .name = "headers",
	  .type = F_LIST,
	  .at = offsetof(struct config_match, headers),
	  .count_at = offsetof(struct config_match, header_count),
	  .max = 16,
	  .record = &record_header_match,
	  .help = "all of these; X-Gateway-Model-Name is matched by the body's model" },
	{ .name = "queryParams",
	  .type = F_LIST,
	  .at = offsetof(struct config_match, query),
	  .count_at = offsetof(struct config_match, query_count),
	  .max = 16,
	  .record = &record_query_match,
	  .help = "all of these" },
};

/* The word of a number that decode_word gave. */
static void finish_match(struct decoder *d, const struct node *n, void *value)
{
	(void)d, (void)n;
	struct config_match *m = value;
	const char *words = methods;
	struct span w = SPAN_NONE;
	bool refused;
	for (uint32_t i = 0; m->method_word != UINT32_MAX && i <= m->method_word; i++)
		(void)scalar_next_word(&words, &w, &refused);
	m->method = w;
}
static const struct record record_match = { .name = "matches",
					    .size = sizeof(struct config_match),
					    .position_at = offsetof(struct config_match, at),
					    FIELDS(match_fields),
					    .finish = finish_match };

/* ---- filters ---- */

/* What frames a message or belongs to one connection is written by the gateway alone. */
static const char *is_changeable(struct span name)
{
	static const char *const ours[] = {
		"content-length", "transfer-encoding", "connection",	  "keep-alive", "te",
		"trailer",	  "upgrade",	       "proxy-connection"
	};
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
		if (span_eq_nocase(name, span_str(ours[i])))
			return "a header that does not frame the message";
	return scalar_is_field_name(name);
}

static const struct field header_value_fields[] = {
	{ .name = "name",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_header_value, name),
	  .check = is_changeable,
	  .help = "header name" },
	{ .name = "value",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_header_value, value),
	  .check = scalar_is_field_value,
	  .help = "value" },
};
static const struct record record_header_value = { .name = "set",
						   .size = sizeof(struct config_header_value),
						   .position_at = offsetof(struct config_header_value, at),
						   FIELDS(header_value_fields) };
static const struct field header_name_fields[] = {
	{ .name = "",
	  .type = F_TEXT,
	  .at = offsetof(struct config_header_name, text),
	  .check = is_changeable,
	  .help = "header name" },
};
static const struct record record_header_name = { .name = "remove",
						  .size = sizeof(struct config_header_name),
						  .position_at = offsetof(struct config_header_name, at),
						  .scalar = true,
						  FIELDS(header_name_fields) };
static const struct field modifier_fields[] = {
	{ .name = "set",
	  .type = F_LIST,
	  .at = offsetof(struct config_header_modifier, set),
	  .count_at = offsetof(struct config_header_modifier, set_count),
	  .max = 16,
	  .record = &record_header_value,
	  .help = "replaces what is there" },
	{ .name = "add",
	  .type = F_LIST,
	  .at = offsetof(struct config_header_modifier, add),
	  .count_at = offsetof(struct config_header_modifier, add_count),
	  .max = 16,
	  .record = &record_header_value,
	  .help = "adds to what is there" },
	{ .name = "remove",
	  .type = F_LIST,
	  .at = offsetof(struct config_header_modifier, remove),
	  .count_at = offsetof(struct config_header_modifier, remove_count),
	  .max = 16,
	  .record = &record_header_name,
	  .help = "takes these out" },
};
static const struct record record_modifier = { .name = "modifier",
					       .position_at = NO_POSITION,
					       FIELDS(modifier_fields) };

static const char instead_of_filter[] = "RequestHeaderModifier or ResponseHeaderModifier";
static const char filter_types[] = "RequestHeaderModifier ResponseHeaderModifier !RequestMirror !RequestRedirect "
				   "!URLRewrite !ExtensionRef !CORS !ExternalAuth";
static const struct field filter_fields[] = {
	{ .name = "type",
	  .type = F_WORD,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_filter, type),
	  .words = filter_types,
	  .help = "RequestHeaderModifier or ResponseHeaderModifier" },
	{ .name = "requestHeaderModifier",
	  .type = F_RECORD,
	  .flags = FIELD_HAS_COUNT,
	  .at = offsetof(struct config_filter, request),
	  .count_at = offsetof(struct config_filter, has_request),
	  .record = &record_modifier,
	  .help = "changes to the request" },
	{ .name = "responseHeaderModifier",
	  .type = F_RECORD,
	  .flags = FIELD_HAS_COUNT,
	  .at = offsetof(struct config_filter, response),
	  .count_at = offsetof(struct config_filter, has_response),
	  .record = &record_modifier,
	  .help = "changes to the answer" },
	UNSUPPORTED("requestMirror", instead_of_filter),
	UNSUPPORTED("requestRedirect", instead_of_filter),
	UNSUPPORTED("urlRewrite", instead_of_filter),
	UNSUPPORTED("extensionRef", instead_of_filter),
	UNSUPPORTED("cors", instead_of_filter),
	UNSUPPORTED("externalAuth", instead_of_filter),
};

static void finish_filter(struct decoder *d, const struct node *n, void *value)
{
	const struct config_filter *f = value;
	bool request = f->type == CONFIG_FILTER_REQUEST_HEADERS;
	const char *mine = request ? "requestHeaderModifier" : "responseHeaderModifier";
	const char *other = request ? "responseHeaderModifier" : "requestHeaderModifier";
	const struct node *type = tree_child(n, SPAN("type"));
	bool refused = false;
	if (!type || scalar_word(type->text, filter_types, &refused) < 0 || refused)
		return; /* complained of already */
	if (!(request ? f->has_request : f->has_response))
		decode_complain(d, n, mine, "missing; wanted what the filter's type names");
	if (request ? f->has_response : f->has_request)
		decode_complain(d, n, other, "does not belong to the filter's type; wanted only %s", mine);
}
static const struct record record_filter = { .name = "filters",
					     .size = sizeof(struct config_filter),
					     .position_at = offsetof(struct config_filter, at),
					     FIELDS(filter_fields),
					     .finish = finish_filter };

/* ---- rules and routes ---- */

static const struct field timeout_fields[] = {
	{ .name = "request",
	  .type = F_DURATION,
	  .at = offsetof(struct config_rule, request_timeout_ns),
	  .help = "the whole request; 0s: no bound" },
	{ .name = "backendRequest",
	  .type = F_DURATION,
	  .at = offsetof(struct config_rule, backend_timeout_ns),
	  .help = "one attempt at a replica; not longer than request" },
};
static const struct record record_timeouts = { .name = "timeouts", .position_at = NO_POSITION, FIELDS(timeout_fields) };

static const struct field rule_fields[] = {
	{ .name = "name",
	  .type = F_TEXT,
	  .at = offsetof(struct config_rule, name),
	  .check = scalar_is_dns_subdomain,
	  .help = "for people" },
	{ .name = "matches",
	  .type = F_LIST,
	  .at = offsetof(struct config_rule, matches),
	  .count_at = offsetof(struct config_rule, match_count),
	  .max = 64,
	  .record = &record_match,
	  .help = "one of these must hold; default: any request" },
	{ .name = "filters",
	  .type = F_LIST,
	  .at = offsetof(struct config_rule, filters),
	  .count_at = offsetof(struct config_rule, filter_count),
	  .max = 16,
	  .record = &record_filter,
	  .help = "changes to requests and answers" },
	{ .name = "backendRefs",
	  .type = F_LIST,
	  .at = offsetof(struct config_rule, backends),
	  .count_at = offsetof(struct config_rule, backend_count),
	  .max = 16,
	  .record = &record_backend,
	  .help = "where to; with none the answer is 500" },
	{ .name = "timeouts",
	  .type = F_RECORD,
	  .record = &record_timeouts,
	  .help = "bounds of time, as GEP-2257 durations" },
	UNSUPPORTED("retry", "InferencePolicy with spec.retry"),
	UNSUPPORTED("sessionPersistence", "no session persistence"),
};

static bool add_any_match(struct decoder *d, const struct node *n, struct config_rule *r)
{
	r->matches = arena_new(d->arena, struct config_match);
	if (!r->matches)
		return false;
	*r->matches = (struct config_match){ .at = n->at, .path = SPAN("/"), .method_word = UINT32_MAX };
	r->match_count = 1;
	return true;
}

static void finish_rule(struct decoder *d, const struct node *n, void *value)
{
	struct config_rule *r = value;
	if (!r->match_count)
		d->no_memory |= !add_any_match(d, n, r);
	if (r->request_timeout_ns && r->backend_timeout_ns > r->request_timeout_ns)
		decode_complain(d, n, "timeouts.backendRequest",
				"is longer than timeouts.request; wanted at most that");
}
static const struct record record_rule = { .name = "rules",
					   .size = sizeof(struct config_rule),
					   .position_at = offsetof(struct config_rule, at),
					   FIELDS(rule_fields),
					   .finish = finish_rule };

static const struct field hostname_fields[] = {
	{ .name = "",
	  .type = F_TEXT,
	  .at = offsetof(struct config_header_name, text),
	  .check = scalar_is_hostname,
	  .help = "host name" },
};
static const struct record record_hostname = { .name = "hostnames",
					       .size = sizeof(struct config_header_name),
					       .position_at = offsetof(struct config_header_name, at),
					       .scalar = true,
					       FIELDS(hostname_fields) };
static const struct field route_spec_fields[] = {
	{ .name = "parentRefs",
	  .type = F_LIST,
	  .at = offsetof(struct config_http_route, parents),
	  .count_at = offsetof(struct config_http_route, parent_count),
	  .max = 32,
	  .record = &record_parent,
	  .help = "the Gateways whose requests it takes; with none it takes none" },
	{ .name = "hostnames",
	  .type = F_LIST,
	  .at = offsetof(struct config_http_route, hostnames),
	  .count_at = offsetof(struct config_http_route, hostname_count),
	  .max = 16,
	  .record = &record_hostname,
	  .help = "the hosts it is for; default: those of its listeners" },
	{ .name = "rules",
	  .type = F_LIST,
	  .at = offsetof(struct config_http_route, rules),
	  .count_at = offsetof(struct config_http_route, rule_count),
	  .max = 16,
	  .record = &record_rule,
	  .help = "what goes where" },
	UNSUPPORTED("useDefaultGateways", "parentRefs"),
};
static const struct record record_route_spec = { .name = "spec",
						 .position_at = NO_POSITION,
						 FIELDS(route_spec_fields) };
static const struct field http_route_fields[] = {
	HEAD_FIELDS,
	{ .name = "spec",
	  .type = F_RECORD,
	  .flags = FIELD_REQUIRED,
	  .record = &record_route_spec,
	  .help = "the route" },
	STATUS_FIELD,
};
const struct record record_http_route = { .name = "HTTPRoute",
					  .size = sizeof(struct config_http_route),
					  .position_at = NO_POSITION,
					  FIELDS(http_route_fields) };

/* ---- gateways ---- */

static const struct field certificate_fields[] = {
	{ .name = "group", .type = F_TEXT, .at = offsetof(struct config_ref, group), .help = "empty" },
	{ .name = "kind",
	  .type = F_TEXT,
	  .at = offsetof(struct config_ref, kind),
	  .initial_text = "Secret",
	  .help = "Secret" },
	{ .name = "namespace",
	  .type = F_TEXT,
	  .at = offsetof(struct config_ref, namespace),
	  .check = scalar_is_dns_label,
	  .help = "default: the Gateway's" },
	{ .name = "name",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_ref, name),
	  .check = scalar_is_dns_subdomain,
	  .help = "name of the Secret" },
};
static const struct record record_certificate = { .name = "certificateRefs",
						  .size = sizeof(struct config_ref),
						  .position_at = offsetof(struct config_ref, at),
						  FIELDS(certificate_fields),
						  .finish = finish_ref };
static const struct field tls_fields[] = {
	{ .name = "mode",
	  .type = F_WORD,
	  .at = offsetof(struct config_listener, tls_mode),
	  .words = "Terminate !Passthrough",
	  .help = "Terminate" },
	{ .name = "certificateRefs",
	  .type = F_LIST,
	  .at = offsetof(struct config_listener, certificate_refs),
	  .count_at = offsetof(struct config_listener, certificate_ref_count),
	  .max = 64,
	  .record = &record_certificate,
	  .help = "Secrets with tls.crt and tls.key" },
	IGNORED("options"),
	UNSUPPORTED("frontendValidation", "no client certificates"),
};
static const struct record record_tls = { .name = "tls", .position_at = NO_POSITION, FIELDS(tls_fields) };

static const struct field from_selector_fields[] = {
	{ .name = "matchLabels",
	  .type = F_LABELS,
	  .at = offsetof(struct config_listener, allowed_selector),
	  .help = "labels of the namespaces" },
	UNSUPPORTED("matchExpressions", "matchLabels"),
};
static const struct record record_from_selector = { .name = "selector",
						    .position_at = NO_POSITION,
						    FIELDS(from_selector_fields) };
static const struct field from_fields[] = {
	{ .name = "from",
	  .type = F_WORD,
	  .at = offsetof(struct config_listener, allowed_from),
	  .words = "Same All Selector None",
	  .help = "namespaces whose routes may attach; files have no Namespace objects, so Selector attaches none" },
	{ .name = "selector", .type = F_RECORD, .record = &record_from_selector, .help = "for Selector" },
};
static const struct record record_from = { .name = "namespaces", .position_at = NO_POSITION, FIELDS(from_fields) };
static const struct field allowed_fields[] = {
	{ .name = "namespaces", .type = F_RECORD, .record = &record_from, .help = "where routes may come from" },
	IGNORED("kinds"),
};
static const struct record record_allowed = { .name = "allowedRoutes",
					      .position_at = NO_POSITION,
					      FIELDS(allowed_fields) };

static const struct field listener_fields[] = {
	{ .name = "name",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_listener, name),
	  .check = scalar_is_dns_subdomain,
	  .help = "name of the section" },
	{ .name = "hostname",
	  .type = F_TEXT,
	  .at = offsetof(struct config_listener, hostname),
	  .check = scalar_is_hostname,
	  .help = "only this host; default: any" },
	{ .name = "port",
	  .type = F_NUMBER16,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_listener, port),
	  .min = 0,
	  .max = 65535,
	  .help = "the port; 0: any free one" },
	{ .name = "protocol",
	  .type = F_WORD,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_listener, protocol),
	  .words = "HTTP HTTPS !TLS !TCP !UDP",
	  .help = "HTTP or HTTPS" },
	{ .name = "tls", .type = F_RECORD, .record = &record_tls, .help = "for HTTPS" },
	{ .name = "allowedRoutes", .type = F_RECORD, .record = &record_allowed, .help = "which routes may attach" },
};
static const struct record record_listener = { .name = "listeners",
					       .size = sizeof(struct config_listener),
					       .position_at = offsetof(struct config_listener, at),
					       FIELDS(listener_fields) };

static const struct field address_fields[] = {
	{ .name = "type",
	  .type = F_WORD,
	  .at = offsetof(struct config_gateway_address, type),
	  .words = "IPAddress !Hostname !NamedAddress",
	  .help = "IPAddress" },
	{ .name = "value",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_gateway_address, value),
	  .check = scalar_is_ip,
	  .help = "the address" },
};
static const struct record record_address = { .name = "addresses",
					      .size = sizeof(struct config_gateway_address),
					      .position_at = offsetof(struct config_gateway_address, at),
					      FIELDS(address_fields) };

static const struct field gateway_spec_fields[] = {
	{ .name = "gatewayClassName",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_gateway, class_name),
	  .check = scalar_is_dns_subdomain,
	  .help = "a class; any name will do in files" },
	{ .name = "addresses",
	  .type = F_LIST,
	  .at = offsetof(struct config_gateway, addresses),
	  .count_at = offsetof(struct config_gateway, address_count),
	  .max = 16,
	  .record = &record_address,
	  .help = "addresses to listen on; default: all of the machine" },
	{ .name = "listeners",
	  .type = F_LIST,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_gateway, listeners),
	  .count_at = offsetof(struct config_gateway, listener_count),
	  .min = 1,
	  .max = 64,
	  .record = &record_listener,
	  .help = "ports and hosts" },
	IGNORED("infrastructure"),
	IGNORED("allowedListeners"),
	UNSUPPORTED("backendTLS", "plain connections to replicas"),
	UNSUPPORTED("tls", "tls of a listener"),
	UNSUPPORTED("defaultScope", "parentRefs in routes"),
};
static const struct record record_gateway_spec = { .name = "spec",
						   .position_at = NO_POSITION,
						   FIELDS(gateway_spec_fields) };
static const struct field gateway_fields[] = {
	HEAD_FIELDS,
	{ .name = "spec",
	  .type = F_RECORD,
	  .flags = FIELD_REQUIRED,
	  .record = &record_gateway_spec,
	  .help = "the gateway" },
	STATUS_FIELD,
};
const struct record record_gateway = {
	.name = "Gateway", .size = sizeof(struct config_gateway), .position_at = NO_POSITION, FIELDS(gateway_fields)
};

static const struct field class_spec_fields[] = {
	{ .name = "controllerName",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_gateway_class, controller_name),
	  .check = scalar_is_not_empty,
	  .help = "name of the controller, such as penstock.dev/gateway" },
	IGNORED("parametersRef"),
	IGNORED("description"),
};
static const struct record record_class_spec = { .name = "spec",
						 .position_at = NO_POSITION,
						 FIELDS(class_spec_fields) };
static const struct field gateway_class_fields[] = {
	HEAD_FIELDS,
	{ .name = "spec",
	  .type = F_RECORD,
	  .flags = FIELD_REQUIRED,
	  .record = &record_class_spec,
	  .help = "the class" },
	STATUS_FIELD,
};
const struct record record_gateway_class = { .name = "GatewayClass",
					     .size = sizeof(struct config_gateway_class),
					     .position_at = NO_POSITION,
					     FIELDS(gateway_class_fields) };

/* ---- grants ---- */

static const struct field grant_from_fields[] = {
	{ .name = "group",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_grant_end, group),
	  .help = "group of the referring object" },
	{ .name = "kind",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_grant_end, kind),
	  .check = scalar_is_not_empty,
	  .help = "its kind" },
	{ .name = "namespace",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_grant_end, namespace),
	  .check = scalar_is_dns_label,
	  .help = "its namespace" },
};
static const struct record record_grant_from = { .name = "from",
						 .size = sizeof(struct config_grant_end),
						 .position_at = offsetof(struct config_grant_end, at),
						 FIELDS(grant_from_fields) };
static const struct field grant_to_fields[] = {
	{ .name = "group",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_grant_end, group),
	  .help = "group of what is referred to" },
	{ .name = "kind",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_grant_end, kind),
	  .check = scalar_is_not_empty,
	  .help = "its kind" },
	{ .name = "name",
	  .type = F_TEXT,
	  .at = offsetof(struct config_grant_end, name),
	  .check = scalar_is_dns_subdomain,
	  .help = "its name; default: all" },
};
static const struct record record_grant_to = { .name = "to",
					       .size = sizeof(struct config_grant_end),
					       .position_at = offsetof(struct config_grant_end, at),
					       FIELDS(grant_to_fields) };
static const struct field grant_spec_fields[] = {
	{ .name = "from",
	  .type = F_LIST,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_reference_grant, from),
	  .count_at = offsetof(struct config_reference_grant, from_count),
	  .min = 1,
	  .max = 16,
	  .record = &record_grant_from,
	  .help = "who may refer" },
	{ .name = "to",
	  .type = F_LIST,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_reference_grant, to),
	  .count_at = offsetof(struct config_reference_grant, to_count),
	  .min = 1,
	  .max = 16,
	  .record = &record_grant_to,
	  .help = "to what, in the grant's namespace" },
};
static const struct record record_grant_spec = { .name = "spec",
						 .position_at = NO_POSITION,
						 FIELDS(grant_spec_fields) };
static const struct field reference_grant_fields[] = {
	HEAD_FIELDS,
	{ .name = "spec",
	  .type = F_RECORD,
	  .flags = FIELD_REQUIRED,
	  .record = &record_grant_spec,
	  .help = "the grant" },
	STATUS_FIELD,
};
const struct record record_reference_grant = { .name = "ReferenceGrant",
					       .size = sizeof(struct config_reference_grant),
					       .position_at = NO_POSITION,
					       FIELDS(reference_grant_fields) };
