/* The typed objects of the store: what manifests say, checked and with defaults filled in. Everything in them lives in
 * the arena of its `struct config` and is immutable; texts have a NUL behind them (not counted). Field names are those
 * of the Kubernetes API. */
#ifndef PS_CONFIG_OBJECTS_H
#define PS_CONFIG_OBJECTS_H

#include "base/base.h"
#include "config/options.h"

enum config_kind {
	CONFIG_GATEWAY_CLASS,
	CONFIG_GATEWAY,
	CONFIG_HTTP_ROUTE,
	CONFIG_REFERENCE_GRANT,
	CONFIG_SERVICE,
	CONFIG_ENDPOINT_SLICE,
	CONFIG_POD,
	CONFIG_SECRET,
	CONFIG_CONFIG_MAP,
	CONFIG_INFERENCE_POOL,
	CONFIG_INFERENCE_OBJECTIVE,
	CONFIG_INFERENCE_MODEL_REWRITE,
	CONFIG_INFERENCE_POLICY,
	CONFIG_LISTENER_POLICY,
	CONFIG_KIND_COUNT
};

/* Where something stands. Lines and columns count from 1; line 0: not from a text. */
struct config_position {
	struct span file;
	uint32_t line, column;
};

struct config_label {
	struct span key, value;
};
/* labels, matchLabels, selectors. In the order written, no key twice. */
struct config_labels {
	struct config_label *items;
	uint32_t count;
};

#define CONFIG_NO_TIME INT64_MAX /* no creationTimestamp: counts as younger than any that has one */

/* The head of every object. */
struct config_meta {
	enum config_kind kind;
	uint32_t number;       /* its place among its kind: config_at */
	struct span group;     /* "gateway.networking.k8s.io" */
	struct span namespace; /* "default" when not said; empty for cluster-wide kinds */
	struct span name;
	struct config_labels labels, annotations;
	int64_t created; /* seconds since the epoch, or CONFIG_NO_TIME */
	int64_t deleted; /* deletionTimestamp: it is going away; or CONFIG_NO_TIME */
	struct config_position at;
};

/* A reference to another object. An empty namespace in the manifest is replaced by that of the referring object. */
struct config_ref {
	struct config_position at;
	struct span group, kind, namespace, name;
	struct span section_name; /* parentRefs, targetRefs; empty: all of it */
	uint16_t port;		  /* 0: not said */
};

/* ---- gateway.networking.k8s.io ---- */

enum config_protocol { CONFIG_PROTOCOL_HTTP, CONFIG_PROTOCOL_HTTPS };
enum config_from { CONFIG_FROM_SAME, CONFIG_FROM_ALL, CONFIG_FROM_SELECTOR, CONFIG_FROM_NONE };

struct config_listener {
	struct config_position at;
	struct span name, hostname; /* hostname empty: any; may begin with "*." */
	uint16_t port;		    /* 0: any free one (tests) */
	uint32_t tls_mode;	    /* 0: Terminate */
	uint32_t protocol;	    /* enum config_protocol */
	uint32_t allowed_from;	    /* enum config_from: namespaces whose routes may attach */
	struct config_labels allowed_selector;
	struct config_ref *certificate_refs; /* tls.certificateRefs */
	uint32_t certificate_ref_count;
};
struct config_gateway_address {
	struct config_position at;
	uint32_t type; /* 0: IPAddress; 1: Hostname */
	struct span value;
};
struct config_gateway {
	struct config_meta meta;
	struct span class_name;
	struct config_gateway_address *addresses; /* to listen on; none: every address of the machine */
	uint32_t address_count;
	struct config_listener *listeners;
	uint32_t listener_count;
};

struct config_gateway_class {
	struct config_meta meta;
	struct span controller_name;
};

enum config_path_type { CONFIG_PATH_PREFIX, CONFIG_PATH_EXACT };
struct config_value_match { /* a header or a query parameter, Exact */
	struct config_position at;
	uint32_t type; /* 0: Exact */
	struct span name, value;
};
struct config_match {
	struct config_position at;
	uint32_t path_type;   /* enum config_path_type */
	struct span path;     /* default "/" */
	struct span method;   /* empty: any */
	uint32_t method_word; /* decoder's: its place among the methods known */
	struct config_value_match *headers, *query;
	uint32_t header_count, query_count;
};
struct config_header_value {
	struct config_position at;
	struct span name, value;
};
struct config_text {
	struct config_position at;
	struct span text;
};
struct config_header_modifier {
	struct config_header_value *set, *add;
	uint32_t set_count, add_count;
	struct config_text *remove;
	uint32_t remove_count;
};
enum config_filter_type { CONFIG_FILTER_REQUEST_HEADERS, CONFIG_FILTER_RESPONSE_HEADERS };
struct config_filter {
	struct config_position at;
	uint32_t type; /* enum config_filter_type; the other modifier is empty */
	bool has_request, has_response;
	struct config_header_modifier request, response;
};
#define CONFIG_POOL_NONE UINT32_MAX /* no pool: the reference cannot be resolved */
struct config_backend_ref {
	struct config_ref ref; /* an InferencePool or a Service */
	uint32_t weight;       /* 1 when not said */
	uint32_t pool;	       /* number for config_pool_at; CONFIG_POOL_NONE: cannot be resolved */
};
struct config_rule {
	struct config_position at;
	struct span name;
	struct config_match *matches; /* at least one: a rule without gets "any path" */
	uint32_t match_count;
	struct config_filter *filters;
	uint32_t filter_count;
	struct config_backend_ref *backends;
	uint32_t backend_count;
	uint64_t request_timeout_ns, backend_timeout_ns; /* 0: none */
};
struct config_http_route {
	struct config_meta meta;
	struct config_ref *parents;
	uint32_t parent_count;
	struct config_text *hostnames;
	uint32_t hostname_count;
	struct config_rule *rules;
	uint32_t rule_count;
};

struct config_grant_end { /* one entry of from or to */
	struct config_position at;
	struct span group, kind, namespace, name;
};
struct config_reference_grant {
	struct config_meta meta;
	struct config_grant_end *from, *to;
	uint32_t from_count, to_count;
};

/* ---- core and discovery.k8s.io ---- */

struct config_service_port {
	struct config_position at;
	struct span name, target; /* target: targetPort as text, a number or a name; empty: as port */
	struct span app_protocol;
	uint32_t protocol; /* 0: TCP */
	uint16_t port;
};
struct config_service {
	struct config_meta meta;
	struct config_labels selector;
	struct config_service_port *ports;
	uint32_t port_count;
};

enum config_address_type { CONFIG_ADDRESS_IPV4, CONFIG_ADDRESS_IPV6, CONFIG_ADDRESS_FQDN };
struct config_slice_endpoint {
	struct config_position at;
	struct config_text *addresses;
	uint32_t address_count;
	bool ready, serving, terminating; /* not said: true, as ready, false */
};
struct config_slice_port {
	struct config_position at;
	struct span name, app_protocol;
	uint32_t protocol; /* 0: TCP */
	uint16_t port;
};
struct config_endpoint_slice {
	struct config_meta meta;
	uint32_t address_type; /* enum config_address_type */
	struct config_slice_endpoint *endpoints;
	uint32_t endpoint_count;
	struct config_slice_port *ports;
	uint32_t port_count;
};

struct config_pod_condition {
	struct config_position at;
	struct span type, status;
};
struct config_pod_ip {
	struct config_position at;
	struct span ip;
};
struct config_pod {
	struct config_meta meta;
	struct span ip; /* the first of status.podIPs, else status.podIP; may be empty */
	struct config_pod_ip *ips;
	uint32_t ip_count;
	struct config_pod_condition *conditions;
	uint32_t condition_count;
	bool ready; /* condition Ready is True, or there are no conditions */
};

struct config_secret {
	struct config_meta meta;
	struct span type;
	struct config_labels values;  /* data, decoded from base64; values may hold any byte */
	struct config_labels strings; /* stringData: wins over data */
};
struct config_config_map {
	struct config_meta meta;
	struct config_labels values;
};

/* ---- inference ---- */

struct config_port_number {
	struct config_position at;
	uint16_t number;
};
enum config_app_protocol { CONFIG_APP_HTTP, CONFIG_APP_H2C };
enum config_failure_mode { CONFIG_FAIL_CLOSE, CONFIG_FAIL_OPEN };
struct config_inference_pool {
	struct config_meta meta;
	struct config_labels selector;
	struct config_port_number *target_ports;
	uint32_t target_port_count;
	uint32_t app_protocol; /* enum config_app_protocol */
	bool has_picker;
	struct config_ref picker;     /* endpointPickerRef; Penstock picks itself and keeps it for status only */
	uint32_t picker_failure_mode; /* enum config_failure_mode */
};
struct config_objective {
	struct config_meta meta;
	int32_t priority;
	struct config_ref pool_ref;
};
struct config_model_match {
	struct config_position at;
	uint32_t type; /* 0: Exact */
	struct span model;
};
struct config_rewrite_target {
	struct config_position at;
	struct span model; /* modelRewrite */
	uint32_t weight;   /* 1 when none of the rule's targets says one */
};
struct config_rewrite_rule {
	struct config_position at;
	struct config_model_match *matches; /* none: every model */
	uint32_t match_count;
	struct config_rewrite_target *targets;
	uint32_t target_count;
};
struct config_model_rewrite {
	struct config_meta meta;
	struct config_ref pool_ref;
	struct config_rewrite_rule *rules;
	uint32_t rule_count;
};

/* ---- penstock.dev ---- */

struct config_policy_set { /* an option a policy says something of */
	const struct option_row *row;
	struct config_position at;
};
/* InferencePolicy and ListenerPolicy. Policies are laid over the defaults (or the flags) field by field. */
struct config_policy {
	struct config_meta meta;
	struct config_ref *targets;
	uint32_t target_count;
	struct config_policy_set *sets;
	uint32_t set_count, set_room;
	union {
		struct config_listener_options listener; /* CONFIG_LISTENER_POLICY */
		struct config_pool_options pool;	 /* CONFIG_INFERENCE_POLICY */
	};
};

#endif
