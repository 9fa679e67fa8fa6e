/* Records of the core group and of discovery.k8s.io: what other programs write and we read. Fields that have no bearing
 * on where a replica is are known by name and not looked into. Tables; control thread, cold. */
#include "config/kinds.h"

#include <arpa/inet.h>
#include <stdio.h>

/* A list of these is a list of bare texts. */
static const struct field address_text_fields[] = {
	TEXT("", 0, struct config_text, text, scalar_is_not_empty, NULL, "an address of the slice's type"),
};
static const struct record record_address_text = { ITEM("addresses", struct config_text, at, address_text_fields),
						   .scalar = true };

/* ---- Service ---- */

static const struct field service_port_fields[] = {
	TEXT("name", 0, struct config_service_port, name, NULL, NULL, "name of the port"),
	NUMBER("port", F_NUMBER16, REQUIRED, struct config_service_port, port, 1, 65535, 0, "what backendRefs name"),
	PLAIN("targetPort", F_TEXT_OR_NUMBER, 0, struct config_service_port, target,
	      "port of the Pods; the ports of the EndpointSlices are used"),
	WORD("protocol", 0, struct config_service_port, protocol, "TCP !UDP !SCTP", 0, "TCP"),
	TEXT("appProtocol", 0, struct config_service_port, app_protocol, NULL, NULL, "kept, of no effect"),
	IGNORED("nodePort"),
};
static const struct record record_service_port = { ITEM("ports", struct config_service_port, at, service_port_fields) };
static const struct field service_spec_fields[] = {
	PLAIN("selector", F_LABELS, 0, struct config_service, selector, "labels of its Pods"),
	LIST("ports", 0, struct config_service, ports, port_count, 0, 100, &record_service_port, "its ports"),
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
static const struct record record_service_spec = { GROUP("spec", service_spec_fields) };
static const struct field service_fields[] = {
	HEAD_FIELDS,
	OBJECT("spec", REQUIRED, &record_service_spec, "the service"),
	STATUS_FIELD,
};
const struct record record_service = { KIND("Service", struct config_service, service_fields) };

/* ---- EndpointSlice ---- */

static const struct field condition_fields[] = {
	TRUTH("ready", struct config_slice_endpoint, ready, true, "takes new requests"),
	TRUTH("serving", struct config_slice_endpoint, serving, true, "answers, though it may be terminating"),
	TRUTH("terminating", struct config_slice_endpoint, terminating, false, "finishes what it has"),
};
static const struct record record_conditions = { GROUP("conditions", condition_fields) };
static const struct field endpoint_fields[] = {
	LIST("addresses", REQUIRED, struct config_slice_endpoint, addresses, address_count, 1, 100,
	     &record_address_text, "addresses of one replica; the first is used"),
	OBJECT("conditions", 0, &record_conditions, "its state"),
	IGNORED("hostname"),
	IGNORED("targetRef"),
	IGNORED("nodeName"),
	IGNORED("zone"),
	IGNORED("hints"),
	IGNORED("deprecatedTopology"),
};
static const struct record record_endpoint = { ITEM("endpoints", struct config_slice_endpoint, at, endpoint_fields) };
static const struct field slice_port_fields[] = {
	TEXT("name", 0, struct config_slice_port, name, NULL, NULL, "name of the Service's port"),
	NUMBER("port", F_NUMBER16, REQUIRED, struct config_slice_port, port, 1, 65535, 0, "the port"),
	WORD("protocol", 0, struct config_slice_port, protocol, "TCP !UDP !SCTP", 0, "TCP"),
	TEXT("appProtocol", 0, struct config_slice_port, app_protocol, NULL, NULL, "kept, of no effect"),
};
static const struct record record_slice_port = { ITEM("ports", struct config_slice_port, at, slice_port_fields) };

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
	const struct config_text *a = &s->endpoints[i].addresses[k];
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
	WORD("addressType", REQUIRED, struct config_endpoint_slice, address_type, address_types, 0,
	     "IPv4, IPv6 or FQDN"),
	LIST("endpoints", 0, struct config_endpoint_slice, endpoints, endpoint_count, 0, 1000, &record_endpoint,
	     "the replicas"),
	LIST("ports", 0, struct config_endpoint_slice, ports, port_count, 0, 100, &record_slice_port,
	     "their ports; with none those of the pool (targetPorts) are used"),
};
const struct record record_endpoint_slice = {
	KIND("EndpointSlice", struct config_endpoint_slice, endpoint_slice_fields), .finish = finish_slice
};

/* ---- Pod ---- */

static const struct field pod_ip_fields[] = {
	TEXT("ip", REQUIRED, struct config_pod_ip, ip, scalar_is_ip, NULL, "an address"),
};
static const struct record record_pod_ip = { ITEM("podIPs", struct config_pod_ip, at, pod_ip_fields) };
static const struct field pod_condition_fields[] = {
	TEXT("type", REQUIRED, struct config_pod_condition, type, NULL, NULL, "Ready"),
	TEXT("status", REQUIRED, struct config_pod_condition, status, NULL, NULL, "\"True\", \"False\" or \"Unknown\""),
};
static const struct record record_pod_condition = {
	ITEM("conditions", struct config_pod_condition, at, pod_condition_fields), .lenient = true
};
static const struct field pod_status_fields[] = {
	TEXT("podIP", 0, struct config_pod, ip, scalar_is_ip, NULL, "when there are no podIPs"),
	LIST("podIPs", 0, struct config_pod, ips, ip_count, 0, 16, &record_pod_ip, "its addresses; the first is used"),
	LIST("conditions", 0, struct config_pod, conditions, condition_count, 0, 64, &record_pod_condition,
	     "it serves when Ready is True, or when there are none"),
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
	OBJECT("status", 0, &record_pod_status, "where it is and whether it is ready"),
};
const struct record record_pod = { KIND("Pod", struct config_pod, pod_fields), .finish = finish_pod };

/* ---- Secret, ConfigMap ---- */

static const struct field secret_fields[] = {
	HEAD_FIELDS,
	TEXT("type", 0, struct config_secret, type, NULL, "Opaque", "kept"),
	PLAIN("data", F_BASE64, SENSITIVE, struct config_secret, values, "values in base64"),
	PLAIN("stringData", F_STRINGS, SENSITIVE, struct config_secret, strings,
	      "values as they are; they win over data"),
	IGNORED("immutable"),
};
const struct record record_secret = { KIND("Secret", struct config_secret, secret_fields) };
static const struct field config_map_fields[] = {
	HEAD_FIELDS,
	PLAIN("data", F_STRINGS, 0, struct config_config_map, values, "texts"),
	IGNORED("binaryData"),
	IGNORED("immutable"),
};
const struct record record_config_map = { KIND("ConfigMap", struct config_config_map, config_map_fields) };
