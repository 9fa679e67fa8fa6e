/* Records of gateway.networking.k8s.io. Bounds of lists are those of the Gateway API's own definitions (v1). Tables;
 * the few functions check what a row cannot say. Control thread, cold. */
#include "config/kinds.h"

/* ---- references ---- */

static const struct field parent_fields[] = {
	TEXT("group", 0, struct config_ref, group, NULL, "gateway.networking.k8s.io", "group of the parent"),
	TEXT("kind", 0, struct config_ref, kind, NULL, "Gateway", "Gateway"),
	TEXT("namespace", 0, struct config_ref, namespace, scalar_is_dns_label, NULL, "default: the route's"),
	TEXT("name", REQUIRED, struct config_ref, name, scalar_is_dns_subdomain, NULL, "name of the Gateway"),
	TEXT("sectionName", 0, struct config_ref, section_name, scalar_is_dns_subdomain, NULL,
	     "one listener of it; default: all"),
	NUMBER("port", F_NUMBER16, 0, struct config_ref, port, 1, 65535, 0, "only listeners on this port"),
};
static const struct record record_parent = { ITEM("parentRefs", struct config_ref, at, parent_fields),
					     .finish = finish_ref };

static void finish_backend(struct decoder *d, const struct node *n, void *value)
{
	struct config_backend_ref *b = value;
	b->pool = CONFIG_POOL_NONE;
	finish_ref(d, n, &b->ref);
}
static const struct field backend_fields[] = {
	TEXT("group", 0, struct config_backend_ref, ref.group, NULL, NULL,
	     "inference.networking.k8s.io for an InferencePool, empty for a Service"),
	TEXT("kind", 0, struct config_backend_ref, ref.kind, NULL, "Service", "InferencePool or Service"),
	TEXT("namespace", 0, struct config_backend_ref, ref.namespace, scalar_is_dns_label, NULL,
	     "default: the route's; another one needs a ReferenceGrant"),
	TEXT("name", REQUIRED, struct config_backend_ref, ref.name, scalar_is_dns_subdomain, NULL,
	     "name of the pool or Service"),
	NUMBER("port", F_NUMBER16, 0, struct config_backend_ref, ref.port, 1, 65535, 0,
	       "a port of the Service (required); not looked at for a pool"),
	NUMBER("weight", F_NUMBER32, 0, struct config_backend_ref, weight, 0, 1000000, 1,
	       "share of the requests, against the sum of the rule's weights"),
	UNSUPPORTED("filters", "filters of the whole rule"),
};
static const struct record record_backend = { ITEM("backendRefs", struct config_backend_ref, ref.at, backend_fields),
					      .finish = finish_backend };

/* ---- matches ---- */

static const struct field header_match_fields[] = {
	WORD("type", 0, struct config_value_match, type, "Exact !RegularExpression", 0, "Exact"),
	TEXT("name", REQUIRED, struct config_value_match, name, scalar_is_field_name, NULL,
	     "header name; case does not matter"),
	TEXT("value", REQUIRED, struct config_value_match, value, scalar_is_field_value, NULL, "its whole value"),
};
static const struct record record_header_match = { ITEM("headers", struct config_value_match, at,
							header_match_fields) };
static const struct field query_match_fields[] = {
	WORD("type", 0, struct config_value_match, type, "Exact !RegularExpression", 0, "Exact"),
	TEXT("name", REQUIRED, struct config_value_match, name, scalar_is_field_name, NULL,
	     "name of the parameter; case matters"),
	TEXT("value", REQUIRED, struct config_value_match, value, scalar_is_not_empty, NULL, "its whole value"),
};
static const struct record record_query_match = { ITEM("queryParams", struct config_value_match, at,
						       query_match_fields) };
static const struct field path_fields[] = {
	WORD("type", 0, struct config_match, path_type, "PathPrefix Exact !RegularExpression", 0,
	     "PathPrefix goes by whole elements: /v1 is not the beginning of /v10"),
	TEXT("value", 0, struct config_match, path, scalar_is_path, "/", "the path"),
};
static const struct record record_path = { GROUP("path", path_fields) };

static const char methods[] = "GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH";
static const struct field match_fields[] = {
	OBJECT("path", 0, &record_path, "the path of the request; default: any"),
	WORD("method", 0, struct config_match, method_word, methods, -1, "its method; default: any"),
	LIST("headers", 0, struct config_match, headers, header_count, 0, 16, &record_header_match,
	     "all of these; X-Gateway-Model-Name is matched by the body's model"),
	LIST("queryParams", 0, struct config_match, query, query_count, 0, 16, &record_query_match, "all of these"),
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
static const struct record record_match = { ITEM("matches", struct config_match, at, match_fields),
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
	TEXT("name", REQUIRED, struct config_header_value, name, is_changeable, NULL, "header name"),
	TEXT("value", REQUIRED, struct config_header_value, value, scalar_is_field_value, NULL, "value"),
};
static const struct record record_header_value = { ITEM("set", struct config_header_value, at, header_value_fields) };
static const struct field header_name_fields[] = {
	TEXT("", 0, struct config_text, text, is_changeable, NULL, "header name"),
};
static const struct record record_header_name = { ITEM("remove", struct config_text, at, header_name_fields),
						  .scalar = true };
static const struct field modifier_fields[] = {
	LIST("set", 0, struct config_header_modifier, set, set_count, 0, 16, &record_header_value,
	     "replaces what is there"),
	LIST("add", 0, struct config_header_modifier, add, add_count, 0, 16, &record_header_value,
	     "adds to what is there"),
	LIST("remove", 0, struct config_header_modifier, remove, remove_count, 0, 16, &record_header_name,
	     "takes these out"),
};
static const struct record record_modifier = { GROUP("modifier", modifier_fields) };

static const char instead_of_filter[] = "RequestHeaderModifier or ResponseHeaderModifier";
static const char filter_types[] = "RequestHeaderModifier ResponseHeaderModifier !RequestMirror !RequestRedirect "
				   "!URLRewrite !ExtensionRef !CORS !ExternalAuth";
static const struct field filter_fields[] = {
	WORD("type", REQUIRED, struct config_filter, type, filter_types, 0,
	     "RequestHeaderModifier or ResponseHeaderModifier"),
	{ .name = "requestHeaderModifier",
	  .type = F_RECORD,
	  .flags = HAS_COUNT,
	  .at = offsetof(struct config_filter, request),
	  .count_at = offsetof(struct config_filter, has_request),
	  .record = &record_modifier,
	  .help = "changes to the request" },
	{ .name = "responseHeaderModifier",
	  .type = F_RECORD,
	  .flags = HAS_COUNT,
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
static const struct record record_filter = { ITEM("filters", struct config_filter, at, filter_fields),
					     .finish = finish_filter };

/* ---- rules and routes ---- */

static const struct field timeout_fields[] = {
	PLAIN("request", F_DURATION, 0, struct config_rule, request_timeout_ns, "the whole request; 0s: no bound"),
	PLAIN("backendRequest", F_DURATION, 0, struct config_rule, backend_timeout_ns,
	      "one attempt at a replica; not longer than request"),
};
static const struct record record_timeouts = { GROUP("timeouts", timeout_fields) };

static const struct field rule_fields[] = {
	TEXT("name", 0, struct config_rule, name, scalar_is_dns_subdomain, NULL, "for people"),
	LIST("matches", 0, struct config_rule, matches, match_count, 0, 64, &record_match,
	     "one of these must hold; default: any request"),
	LIST("filters", 0, struct config_rule, filters, filter_count, 0, 16, &record_filter,
	     "changes to requests and answers"),
	LIST("backendRefs", 0, struct config_rule, backends, backend_count, 0, 16, &record_backend,
	     "where to; with none the answer is 500"),
	OBJECT("timeouts", 0, &record_timeouts, "bounds of time, as GEP-2257 durations"),
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
static const struct record record_rule = { ITEM("rules", struct config_rule, at, rule_fields), .finish = finish_rule };

static const struct field hostname_fields[] = {
	TEXT("", 0, struct config_text, text, scalar_is_hostname, NULL, "host name"),
};
static const struct record record_hostname = { ITEM("hostnames", struct config_text, at, hostname_fields),
					       .scalar = true };
static const struct field route_spec_fields[] = {
	LIST("parentRefs", 0, struct config_http_route, parents, parent_count, 0, 32, &record_parent,
	     "the Gateways whose requests it takes; with none it takes none"),
	LIST("hostnames", 0, struct config_http_route, hostnames, hostname_count, 0, 16, &record_hostname,
	     "the hosts it is for; default: those of its listeners"),
	LIST("rules", 0, struct config_http_route, rules, rule_count, 0, 16, &record_rule, "what goes where"),
	UNSUPPORTED("useDefaultGateways", "parentRefs"),
};
static const struct record record_route_spec = { GROUP("spec", route_spec_fields) };
static const struct field http_route_fields[] = {
	HEAD_FIELDS,
	OBJECT("spec", REQUIRED, &record_route_spec, "the route"),
	STATUS_FIELD,
};
const struct record record_http_route = { KIND("HTTPRoute", struct config_http_route, http_route_fields) };

/* ---- gateways ---- */

static const struct field certificate_fields[] = {
	TEXT("group", 0, struct config_ref, group, NULL, NULL, "empty"),
	TEXT("kind", 0, struct config_ref, kind, NULL, "Secret", "Secret"),
	TEXT("namespace", 0, struct config_ref, namespace, scalar_is_dns_label, NULL, "default: the Gateway's"),
	TEXT("name", REQUIRED, struct config_ref, name, scalar_is_dns_subdomain, NULL, "name of the Secret"),
};
static const struct record record_certificate = { ITEM("certificateRefs", struct config_ref, at, certificate_fields),
						  .finish = finish_ref };
static const struct field tls_fields[] = {
	WORD("mode", 0, struct config_listener, tls_mode, "Terminate !Passthrough", 0, "Terminate"),
	LIST("certificateRefs", 0, struct config_listener, certificate_refs, certificate_ref_count, 0, 64,
	     &record_certificate, "Secrets with tls.crt and tls.key"),
	IGNORED("options"),
	UNSUPPORTED("frontendValidation", "no client certificates"),
};
static const struct record record_tls = { GROUP("tls", tls_fields) };

static const struct field from_selector_fields[] = {
	PLAIN("matchLabels", F_LABELS, 0, struct config_listener, allowed_selector, "labels of the namespaces"),
	UNSUPPORTED("matchExpressions", "matchLabels"),
};
static const struct record record_from_selector = { GROUP("selector", from_selector_fields) };
static const struct field from_fields[] = {
	WORD("from", 0, struct config_listener, allowed_from, "Same All Selector None", 0,
	     "namespaces whose routes may attach; files have no Namespace objects, so Selector attaches none"),
	OBJECT("selector", 0, &record_from_selector, "for Selector"),
};
static const struct record record_from = { GROUP("namespaces", from_fields) };
static const struct field allowed_fields[] = {
	OBJECT("namespaces", 0, &record_from, "where routes may come from"),
	IGNORED("kinds"),
};
static const struct record record_allowed = { GROUP("allowedRoutes", allowed_fields) };

static const struct field listener_fields[] = {
	TEXT("name", REQUIRED, struct config_listener, name, scalar_is_dns_subdomain, NULL, "name of the section"),
	TEXT("hostname", 0, struct config_listener, hostname, scalar_is_hostname, NULL, "only this host; default: any"),
	NUMBER("port", F_NUMBER16, REQUIRED, struct config_listener, port, 0, 65535, 0, "the port; 0: any free one"),
	WORD("protocol", REQUIRED, struct config_listener, protocol, "HTTP HTTPS !TLS !TCP !UDP", 0,
	     "HTTP; HTTPS is understood and not served yet"),
	OBJECT("tls", 0, &record_tls, "for HTTPS"),
	OBJECT("allowedRoutes", 0, &record_allowed, "which routes may attach"),
};
static const struct record record_listener = { ITEM("listeners", struct config_listener, at, listener_fields) };

static const struct field address_fields[] = {
	WORD("type", 0, struct config_gateway_address, type, "IPAddress !Hostname !NamedAddress", 0, "IPAddress"),
	TEXT("value", REQUIRED, struct config_gateway_address, value, scalar_is_ip, NULL, "the address"),
};
static const struct record record_address = { ITEM("addresses", struct config_gateway_address, at, address_fields) };

static const struct field gateway_spec_fields[] = {
	TEXT("gatewayClassName", REQUIRED, struct config_gateway, class_name, scalar_is_dns_subdomain, NULL,
	     "a class; any name will do in files"),
	LIST("addresses", 0, struct config_gateway, addresses, address_count, 0, 16, &record_address,
	     "addresses to listen on; default: all of the machine"),
	LIST("listeners", REQUIRED, struct config_gateway, listeners, listener_count, 1, 64, &record_listener,
	     "ports and hosts"),
	IGNORED("infrastructure"),
	IGNORED("allowedListeners"),
	UNSUPPORTED("backendTLS", "plain connections to replicas"),
	UNSUPPORTED("tls", "tls of a listener"),
	UNSUPPORTED("defaultScope", "parentRefs in routes"),
};
static const struct record record_gateway_spec = { GROUP("spec", gateway_spec_fields) };
static const struct field gateway_fields[] = {
	HEAD_FIELDS,
	OBJECT("spec", REQUIRED, &record_gateway_spec, "the gateway"),
	STATUS_FIELD,
};
const struct record record_gateway = { KIND("Gateway", struct config_gateway, gateway_fields) };

static const struct field class_spec_fields[] = {
	TEXT("controllerName", REQUIRED, struct config_gateway_class, controller_name, scalar_is_not_empty, NULL,
	     "name of the controller, such as penstock.dev/gateway"),
	IGNORED("parametersRef"),
	IGNORED("description"),
};
static const struct record record_class_spec = { GROUP("spec", class_spec_fields) };
static const struct field gateway_class_fields[] = {
	HEAD_FIELDS,
	OBJECT("spec", REQUIRED, &record_class_spec, "the class"),
	STATUS_FIELD,
};
const struct record record_gateway_class = { KIND("GatewayClass", struct config_gateway_class, gateway_class_fields) };

/* ---- grants ---- */

static const struct field grant_from_fields[] = {
	TEXT("group", REQUIRED, struct config_grant_end, group, NULL, NULL, "group of the referring object"),
	TEXT("kind", REQUIRED, struct config_grant_end, kind, scalar_is_not_empty, NULL, "its kind"),
	TEXT("namespace", REQUIRED, struct config_grant_end, namespace, scalar_is_dns_label, NULL, "its namespace"),
};
static const struct record record_grant_from = { ITEM("from", struct config_grant_end, at, grant_from_fields) };
static const struct field grant_to_fields[] = {
	TEXT("group", REQUIRED, struct config_grant_end, group, NULL, NULL, "group of what is referred to"),
	TEXT("kind", REQUIRED, struct config_grant_end, kind, scalar_is_not_empty, NULL, "its kind"),
	TEXT("name", 0, struct config_grant_end, name, scalar_is_dns_subdomain, NULL, "its name; default: all"),
};
static const struct record record_grant_to = { ITEM("to", struct config_grant_end, at, grant_to_fields) };
static const struct field grant_spec_fields[] = {
	LIST("from", REQUIRED, struct config_reference_grant, from, from_count, 1, 16, &record_grant_from,
	     "who may refer"),
	LIST("to", REQUIRED, struct config_reference_grant, to, to_count, 1, 16, &record_grant_to,
	     "to what, in the grant's namespace"),
};
static const struct record record_grant_spec = { GROUP("spec", grant_spec_fields) };
static const struct field reference_grant_fields[] = {
	HEAD_FIELDS,
	OBJECT("spec", REQUIRED, &record_grant_spec, "the grant"),
	STATUS_FIELD,
};
const struct record record_reference_grant = { KIND("ReferenceGrant", struct config_reference_grant,
						    reference_grant_fields) };
