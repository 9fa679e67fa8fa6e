/* Records of the inference groups and of our own policies, whose options come from options.def. Tables; control thread,
 * cold. */
#include "config/kinds.h"

/* ---- InferencePool ---- */

static const struct field target_port_fields[] = {
	NUMBER("number", F_NUMBER16, REQUIRED, struct config_port_number, number, 1, 65535, 0,
	       "a port of each Pod; every address and port is a replica of its own"),
};
static const struct record record_target_port = { ITEM("targetPorts", struct config_port_number, at,
						       target_port_fields) };
static const struct field selector_fields[] = {
	{ .name = "matchLabels",
	  .type = F_LABELS,
	  .flags = REQUIRED,
	  .at = offsetof(struct config_inference_pool, selector),
	  .min = 1,
	  .max = 64,
	  .help = "labels of its Pods and EndpointSlices" },
	UNSUPPORTED("matchExpressions", "matchLabels"),
};
static const struct record record_selector = { GROUP("selector", selector_fields) };

static const struct field picker_port_fields[] = {
	NUMBER("number", F_NUMBER16, REQUIRED, struct config_inference_pool, picker.port, 1, 65535, 0, "its port"),
};
static const struct record record_picker_port = { GROUP("port", picker_port_fields) };
static const struct field picker_fields[] = {
	TEXT("group", 0, struct config_inference_pool, picker.group, NULL, NULL, "empty"),
	TEXT("kind", 0, struct config_inference_pool, picker.kind, NULL, "Service", "Service"),
	TEXT("name", REQUIRED, struct config_inference_pool, picker.name, scalar_is_dns_subdomain, NULL, "its name"),
	OBJECT("port", 0, &record_picker_port, "its port"),
	WORD("failureMode", 0, struct config_inference_pool, picker_failure_mode, "FailClose FailOpen", 0, "kept"),
};
static const struct record record_picker = { GROUP("endpointPickerRef", picker_fields) };

static const struct field pool_spec_fields[] = {
	OBJECT("selector", REQUIRED, &record_selector, "which replicas are its own"),
	LIST("targetPorts", REQUIRED, struct config_inference_pool, target_ports, target_port_count, 1, 8,
	     &record_target_port, "ports of Pods, and of EndpointSlices without ports"),
	WORD("appProtocol", 0, struct config_inference_pool, app_protocol, "http !kubernetes.io/h2c", 0, "http"),
	{ .name = "endpointPickerRef",
	  .type = F_RECORD,
	  .flags = HAS_COUNT,
	  .count_at = offsetof(struct config_inference_pool, has_picker),
	  .record = &record_picker,
	  .help = "kept for the objects' sake: Penstock picks itself" },
};
static const struct record record_pool_spec = { GROUP("spec", pool_spec_fields) };

static void finish_pool(struct decoder *d, const struct node *n, void *value)
{
	struct config_inference_pool *p = value;
	(void)n;
	p->picker.namespace = d->namespace;
	for (uint32_t i = 0; i < p->target_port_count; i++)
		for (uint32_t k = 0; k < i; k++)
			if (p->target_ports[i].number == p->target_ports[k].number)
				report_add(d->report, &p->target_ports[i].at, "spec.targetPorts",
					   "port %u stands twice; wanted each once", p->target_ports[i].number);
}
static const struct field pool_fields[] = {
	HEAD_FIELDS,
	OBJECT("spec", REQUIRED, &record_pool_spec, "the pool"),
	STATUS_FIELD,
};
const struct record record_inference_pool = { KIND("InferencePool", struct config_inference_pool, pool_fields),
					      .finish = finish_pool };

/* ---- InferenceObjective, InferenceModelRewrite ---- */

static const struct field pool_ref_fields[] = {
	TEXT("group", 0, struct config_ref, group, NULL, "inference.networking.k8s.io", "inference.networking.k8s.io"),
	TEXT("kind", 0, struct config_ref, kind, NULL, "InferencePool", "InferencePool"),
	TEXT("name", REQUIRED, struct config_ref, name, scalar_is_dns_subdomain, NULL,
	     "name of the pool, in the same namespace"),
};
static const struct record record_pool_ref = {
	.name = "poolRef", .position_at = offsetof(struct config_ref, at), FIELDS(pool_ref_fields), .finish = finish_ref
};

static const struct field objective_spec_fields[] = {
	NUMBER("priority", F_SIGNED32, 0, struct config_objective, priority, INT32_MIN, INT32_MAX, 0,
	       "higher goes first; below 0 is refused first"),
	{ .name = "poolRef",
	  .type = F_RECORD,
	  .flags = REQUIRED,
	  .at = offsetof(struct config_objective, pool_ref),
	  .record = &record_pool_ref,
	  .help = "the pool it is for" },
};
static const struct record record_objective_spec = { GROUP("spec", objective_spec_fields) };
static const struct field objective_fields[] = {
	HEAD_FIELDS,
	OBJECT("spec", REQUIRED, &record_objective_spec, "the objective"),
	STATUS_FIELD,
};
const struct record record_objective = { KIND("InferenceObjective", struct config_objective, objective_fields) };

static const struct field model_fields[] = {
	WORD("type", 0, struct config_model_match, type, "Exact !RegularExpression", 0, "Exact"),
	TEXT("value", REQUIRED, struct config_model_match, model, scalar_is_model, NULL,
	     "the model a request asks for"),
};
static const struct record record_model = { GROUP("model", model_fields) };
static const struct field model_match_fields[] = {
	OBJECT("model", REQUIRED, &record_model, "by its name"),
};
static const struct record record_model_match = { ITEM("matches", struct config_model_match, at, model_match_fields) };
static const struct field target_fields[] = {
	TEXT("modelRewrite", REQUIRED, struct config_rewrite_target, model, scalar_is_model, NULL, "the name it gets"),
	NUMBER("weight", F_NUMBER32, 0, struct config_rewrite_target, weight, 1, 1000000, 0,
	       "share of the requests; all targets of a rule have one, or none has"),
};
static const struct record record_target = { ITEM("targets", struct config_rewrite_target, at, target_fields) };

/* All or none; where none has one, each counts the same. */
static void finish_rewrite_rule(struct decoder *d, const struct node *n, void *value)
{
	struct config_rewrite_rule *r = value;
	uint32_t weighted = 0;
	for (uint32_t i = 0; i < r->target_count; i++)
		weighted += r->targets[i].weight != 0;
	for (uint32_t i = 0; i < r->target_count; i++) {
		const struct node where = { .at = r->targets[i].at };
		if (weighted && !r->targets[i].weight && tree_child(n, SPAN("targets")))
			decode_complain(
				d, &where, "targets",
				"entry %u has no weight though others have; wanted one on all targets or on none", i);
		if (!weighted)
			r->targets[i].weight = 1;
	}
}
static const struct field rewrite_rule_fields[] = {
	LIST("matches", 0, struct config_rewrite_rule, matches, match_count, 0, 1024, &record_model_match,
	     "one of these models; default: every model"),
	LIST("targets", REQUIRED, struct config_rewrite_rule, targets, target_count, 1, 64, &record_target,
	     "what is asked for instead"),
};
static const struct record record_rewrite_rule = { ITEM("rules", struct config_rewrite_rule, at, rewrite_rule_fields),
						   .finish = finish_rewrite_rule };
static const struct field rewrite_spec_fields[] = {
	{ .name = "poolRef",
	  .type = F_RECORD,
	  .flags = REQUIRED,
	  .at = offsetof(struct config_model_rewrite, pool_ref),
	  .record = &record_pool_ref,
	  .help = "the pool it is for" },
	LIST("rules", REQUIRED, struct config_model_rewrite, rules, rule_count, 1, 1024, &record_rewrite_rule,
	     "exact matches go before rules without matches, older objects before younger, first rules before later"),
};
static const struct record record_rewrite_spec = { GROUP("spec", rewrite_spec_fields) };
static const struct field rewrite_fields[] = {
	HEAD_FIELDS,
	OBJECT("spec", REQUIRED, &record_rewrite_spec, "the rewrite"),
	STATUS_FIELD,
};
const struct record record_model_rewrite = { KIND("InferenceModelRewrite", struct config_model_rewrite,
						  rewrite_fields) };

/* ---- our policies ---- */

static const struct field policy_target_fields[] = {
	TEXT("group", REQUIRED, struct config_ref, group, NULL, NULL, "its group"),
	TEXT("kind", REQUIRED, struct config_ref, kind, NULL, NULL, "its kind"),
	TEXT("name", REQUIRED, struct config_ref, name, scalar_is_dns_subdomain, NULL,
	     "its name, in the policy's namespace"),
	TEXT("sectionName", 0, struct config_ref, section_name, scalar_is_dns_subdomain, NULL,
	     "one listener of a Gateway"),
};
static const struct record record_policy_target = { ITEM("targetRefs", struct config_ref, at, policy_target_fields),
						    .finish = finish_ref };
#define TARGETS_FIELD                                                                                                  \
	{                                                                                                              \
		.name = "targetRefs", .type = F_LIST, .flags = REQUIRED,                                               \
		.at = offsetof(struct config_policy, targets),                                                         \
		.count_at = offsetof(struct config_policy, target_count), .min = 1, .max = 16,                         \
		.record = &record_policy_target, .help = "what it is laid on"                                          \
	}
#define OPTIONS(name_, help_)                                                                                          \
	{                                                                                                              \
		.name = (name_), .type = F_OPTIONS, .help = (help_)                                                    \
	}

static const struct field inference_spec_fields[] = {
	TARGETS_FIELD,
	OPTIONS("timeouts", "patience with replicas"),
	OPTIONS("body", "request bodies"),
	OPTIONS("retry", "sending again"),
	OPTIONS("abort", "clients that leave"),
	OPTIONS("usage", "token counts"),
	OPTIONS("queue", "holding requests"),
	OPTIONS("signals", "reading replicas' metrics"),
	OPTIONS("health", "asking replicas how they are"),
	OPTIONS("ejection", "replicas that fail"),
};
static const struct record record_inference_spec = { GROUP("spec", inference_spec_fields) };
static const struct field inference_policy_fields[] = {
	HEAD_FIELDS,
	OBJECT("spec", REQUIRED, &record_inference_spec, "the policy"),
	STATUS_FIELD,
};
const struct record record_inference_policy = { KIND("InferencePolicy", struct config_policy,
						     inference_policy_fields) };

static const struct field listener_spec_fields[] = {
	TARGETS_FIELD,
	OPTIONS("limits", "sizes and counts"),
	OPTIONS("timeouts", "patience with clients"),
	OPTIONS("client", "what clients may do and say"),
};
static const struct record record_listener_spec = { GROUP("spec", listener_spec_fields) };
static const struct field listener_policy_fields[] = {
	HEAD_FIELDS,
	OBJECT("spec", REQUIRED, &record_listener_spec, "the policy"),
	STATUS_FIELD,
};
const struct record record_listener_policy = { KIND("ListenerPolicy", struct config_policy, listener_policy_fields) };
