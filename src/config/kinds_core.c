/* Records of the core group and of discovery.k8s.io: what other programs write and we read. Fields that have no bearing
 * on where a replica is are known by name and not looked into. Tables; control thread, cold. */
#include "config/kinds.h"

#include <arpa/inet.h>
#include <stdio.h>

/* A list of these is a list of bare texts. */
static const struct field address_text_fields[] = {
	{ .name = "",
	  .type = F_TEXT,
	  .at = offsetof(struct config_header_name, text),
	  .check = scalar_is_not_empty,
	  .help = "an address of the slice's type" },
};
static const struct record record_address_text = { .name = "addresses",
						   .size = sizeof(struct config_header_name),
						   .position_at = offsetof(struct config_header_name, at),
						   .scalar = true,
						   FIELDS(address_text_fields) };

/* ---- Service ---- */

static const struct field service_port_fields[] = {
	{ .name = "name",
	  .type = F_TEXT,
	  .at = offsetof(struct config_service_port, name),
	  .help = "name of the port" },
	{ .name = "port",
	  .type = F_NUMBER16,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_service_port, port),
	  .min = 1,
	  .max = 65535,
	  .help = "what backendRefs name" },
	{ .name = "targetPort",
	  .type = F_TEXT_OR_NUMBER,
	  .at = offsetof(struct config_service_port, target),
	  .help = "port of the Pods; the ports of the EndpointSlices are used" },
	{ .name = "protocol",
	  .type = F_WORD,
	  .at = offsetof(struct config_service_port, protocol),
	  .words = "TCP !UDP !SCTP",
	  .help = "TCP" },
	{ .name = "appProtocol",
	  .type = F_TEXT,
	  .at = offsetof(struct config_service_port, app_protocol),
	  .help = "kept, of no effect" },
	IGNORED("nodePort"),
};
static const struct record record_service_port = { .name = "ports",
						   .size = sizeof(struct config_service_port),
						   .position_at = offsetof(struct config_service_port, at),
						   FIELDS(service_port_fields) };
static const struct field service_spec_fields[] = {
	{ .name = "selector",
	  .type = F_LABELS,
	  .at = offsetof(struct config_service, selector),
	  .help = "labels of its Pods" },
	{ .name = "ports",
	  .type = F_LIST,
	  .at = offsetof(struct config_service, ports),
	  .count_at = offsetof(struct config_service, port_count),
	  .max = 100,
	  .record = &record_service_port,
	  .help = "its ports" },
	IGNORED("type"),
	IGNORED("clusterIP"),
	IGNORED("clusterIPs"),
	IGNORED("externalName"),
	IGNORED("externalIPs"),
	IGNORED("externalTrafficPolicy"),
	IGNORED("internalTrafficPolicy"),
	IGNORED("trafficDistribution"),
	IGNORED("healthCheckNodePort"),
	IGNORED("ipFamilies"),
	IGNORED("ipFamilyPolicy"),
	IGNORED("loadBalancerIP"),
	IGNORED("loadBalancerClass"),
	IGNORED("loadBalancerSourceRanges"),
	IGNORED("allocateLoadBalancerNodePorts"),
	IGNORED("publishNotReadyAddresses"),
	IGNORED("sessionAffinity"),
	IGNORED("sessionAffinityConfig"),
};
static const struct record record_service_spec = { .name = "spec",
						   .position_at = NO_POSITION,
						   FIELDS(service_spec_fields) };
static const struct field service_fields[] = {
	HEAD_FIELDS,
	{ .name = "spec",
	  .type = F_RECORD,
	  .flags = FIELD_REQUIRED,
	  .record = &record_service_spec,
	  .help = "the service" },
	STATUS_FIELD,
};
const struct record record_service = {
	.name = "Service", .size = sizeof(struct config_service), .position_at = NO_POSITION, FIELDS(service_fields)
};

/* ---- EndpointSlice ---- */

static const struct field condition_fields[] = {
	{ .name = "ready",
	  .type = F_BOOL,
	  .at = offsetof(struct config_slice_endpoint, ready),
	  .initial = true,
	  .help = "takes new requests" },
	{ .name = "serving",
	  .type = F_BOOL,
	  .at = offsetof(struct config_slice_endpoint, serving),
	  .initial = true,
	  .help = "answers, though it may be terminating" },
	{ .name = "terminating",
	  .type = F_BOOL,
	  .at = offsetof(struct config_slice_endpoint, terminating),
	  .help = "finishes what it has" },
};
static const struct record record_conditions = { .name = "conditions",
						 .position_at = NO_POSITION,
						 FIELDS(condition_fields) };
static const struct field endpoint_fields[] = {
	{ .name = "addresses",
	  .type = F_LIST,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_slice_endpoint, addresses),
	  .count_at = offsetof(struct config_slice_endpoint, address_count),
	  .min = 1,
	  .max = 100,
	  .record = &record_address_text,
	  .help = "addresses of one replica; the first is used" },
	{ .name = "conditions", .type = F_RECORD, .record = &record_conditions, .help = "its state" },
	IGNORED("hostname"),
	IGNORED("targetRef"),
	IGNORED("nodeName"),
	IGNORED("zone"),
	IGNORED("hints"),
	IGNORED("deprecatedTopology"),
};
static const struct record record_endpoint = { .name = "endpoints",
					       .size = sizeof(struct config_slice_endpoint),
					       .position_at = offsetof(struct config_slice_endpoint, at),
					       FIELDS(endpoint_fields) };
static const struct field slice_port_fields[] = {
	{ .name = "name",
	  .type = F_TEXT,
	  .at = offsetof(struct config_slice_port, name),
	  .help = "name of the Service's port" },
	{ .name = "port",
	  .type = F_NUMBER16,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_slice_port, port),
	  .min = 1,
	  .max = 65535,
	  .help = "the port" },
	{ .name = "protocol",
	  .type = F_WORD,
	  .at = offsetof(struct config_slice_port, protocol),
	  .words = "TCP !UDP !SCTP",
	  .help = "TCP" },
	{ .name = "appProtocol",
	  .type = F_TEXT,
	  .at = offsetof(struct config_slice_port, app_protocol),
	  .help = "kept, of no effect" },
};
static const struct record record_slice_port = { .name = "ports",
						 .size = sizeof(struct config_slice_port),
						 .position_at = offsetof(struct config_slice_port, at),
						 FIELDS(slice_port_fields) };

static const char address_types[] = "IPv4 IPv6 FQDN";

static const char *address_wanted(uint32_t type, struct span text)
{
	unsigned char bytes[16];
	char z[INET6_ADDRSTRLEN];
	if (type == CONFIG_ADDRESS_FQDN)
		return scalar_is_hostname(text) || text.p[0] == '*' ? "a DNS name" : NULL;
	(void)span_copy(z, sizeof z, text);
	bool fits = text.n < sizeof z && inet_pton(type == CONFIG_ADDRESS_IPV4 ? AF_INET : AF_INET6, z, bytes) == 1;
	return fits ? NULL : type == CONFIG_ADDRESS_IPV4 ? "an IPv4 address" : "an IPv6 address";
}

static void check_address(struct decoder *d, const struct config_endpoint_slice *s, uint32_t i, uint32_t k)
{
	const struct config_header_name *a = &s->endpoints[i].addresses[k];
	const char *wanted = a->text.n ? address_wanted(s->address_type, a->text) : NULL;
	const struct node where = { .at = a->at };
	char path[64];
	(void)snprintf(path, sizeof path, "endpoints[%u].addresses[%u]", i, k);
	if (wanted)
		decode_complain(d, &where, path, "\"%.*s\" is not of the slice's addressType; wanted %s",
				SPAN_ARG(a->text), wanted);
}

static void finish_slice(struct decoder *d, const struct node *n, void *value)
{
	const struct config_endpoint_slice *s = value;
	(void)n;
	for (uint32_t i = 0; i < s->endpoint_count; i++)
		for (uint32_t k = 0; k < s->endpoints[i].address_count; k++)
			check_address(d, s, i, k);
}
static const struct field endpoint_slice_fields[] = {
	HEAD_FIELDS,
	{ .name = "addressType",
	  .type = F_WORD,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_endpoint_slice, address_type),
	  .words = address_types,
	  .help = "IPv4, IPv6 or FQDN" },
	{ .name = "endpoints",
	  .type = F_LIST,
	  .at = offsetof(struct config_endpoint_slice, endpoints),
	  .count_at = offsetof(struct config_endpoint_slice, endpoint_count),
	  .max = 1000,
	  .record = &record_endpoint,
	  .help = "the replicas" },
	{ .name = "ports",
	  .type = F_LIST,
	  .at = offsetof(struct config_endpoint_slice, ports),
	  .count_at = offsetof(struct config_endpoint_slice, port_count),
	  .max = 100,
	  .record = &record_slice_port,
	  .help = "their ports; with none those of the pool (targetPorts) are used" },
};
const struct record record_endpoint_slice = { .name = "EndpointSlice",
					      .size = sizeof(struct config_endpoint_slice),
					      .position_at = NO_POSITION,
					      FIELDS(endpoint_slice_fields),
					      .finish = finish_slice };

/* ---- Pod ---- */

static const struct field pod_ip_fields[] = {
	{ .name = "ip",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_pod_ip, ip),
	  .check = scalar_is_ip,
	  .help = "an address" },
};
static const struct record record_pod_ip = { .name = "podIPs",
					     .size = sizeof(struct config_pod_ip),
					     .position_at = offsetof(struct config_pod_ip, at),
					     FIELDS(pod_ip_fields) };
static const struct field pod_condition_fields[] = {
	{ .name = "type",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_pod_condition, type),
	  .help = "Ready" },
	{ .name = "status",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_pod_condition, status),
	  .help = "\"True\", \"False\" or \"Unknown\"" },
};
static const struct record record_pod_condition = { .name = "conditions",
						    .size = sizeof(struct config_pod_condition),
						    .position_at = offsetof(struct config_pod_condition, at),
						    .lenient = true,
						    FIELDS(pod_condition_fields) };
static const struct field pod_status_fields[] = {
	{ .name = "podIP",
	  .type = F_TEXT,
	  .at = offsetof(struct config_pod, ip),
	  .check = scalar_is_ip,
	  .help = "when there are no podIPs" },
	{ .name = "podIPs",
	  .type = F_LIST,
	  .at = offsetof(struct config_pod, ips),
	  .count_at = offsetof(struct config_pod, ip_count),
	  .max = 16,
	  .record = &record_pod_ip,
	  .help = "its addresses; the first is used" },
	{ .name = "conditions",
	  .type = F_LIST,
	  .at = offsetof(struct config_pod, conditions),
	  .count_at = offsetof(struct config_pod, condition_count),
	  .max = 64,
	  .record = &record_pod_condition,
	  .help = "it serves when Ready is True, or when there are none" },
};
static const struct record record_pod_status = {
	.name = "status", .position_at = NO_POSITION, .lenient = true, FIELDS(pod_status_fields)
};

static void finish_pod(struct decoder *d, const struct node *n, void *value)
{
	struct config_pod *p = value;
	(void)d, (void)n;
	p->ready = p->condition_count == 0;
	for (uint32_t i = 0; i < p->condition_count; i++)
		if (span_eq(p->conditions[i].type, SPAN("Ready")))
			p->ready = span_eq(p->conditions[i].status, SPAN("True"));
	if (p->ip_count)
		p->ip = p->ips[0].ip;
}
static const struct field pod_fields[] = {
	HEAD_FIELDS,
	IGNORED("spec"),
	{ .name = "status",
	  .type = F_RECORD,
	  .record = &record_pod_status,
	  .help = "where it is and whether it is ready" },
};
const struct record record_pod = { .name = "Pod",
				   .size = sizeof(struct config_pod),
				   .position_at = NO_POSITION,
				   FIELDS(pod_fields),
				   .finish = finish_pod };

/* ---- Secret, ConfigMap ---- */

static const struct field secret_fields[] = {
	HEAD_FIELDS,
	{ .name = "type",
	  .type = F_TEXT,
	  .at = offsetof(struct config_secret, type),
	  .initial_text = "Opaque",
	  .help = "kept" },
	{ .name = "data",
	  .type = F_BASE64,
	  .flags = FIELD_SENSITIVE,
	  .at = offsetof(struct config_secret, values),
	  .help = "values in base64" },
	{ .name = "stringData",
	  .type = F_STRINGS,
	  .flags = FIELD_SENSITIVE,
	  .at = offsetof(struct config_secret, strings),
	  .help = "values as they are; they win over data" },
	IGNORED("immutable"),
};
const struct record record_secret = {
	.name = "Secret", .size = sizeof(struct config_secret), .position_at = NO_POSITION, FIELDS(secret_fields)
};
static const struct field config_map_fields[] = {
	HEAD_FIELDS,
	{ .name = "data", .type = F_STRINGS, .at = offsetof(struct config_config_map, values), .help = "texts" },
	IGNORED("binaryData"),
	IGNORED("immutable"),
};
const struct record record_config_map = { .name = "ConfigMap",
					  .size = sizeof(struct config_config_map),
					  .position_at = NO_POSITION,
					  FIELDS(config_map_fields) };
