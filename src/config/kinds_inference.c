/* Records of the inference groups and of our own policies, whose options come from options.def. Tables; control thread,
 * cold. */
#include "config/kinds.h"

/* ---- InferencePool ---- */

static const struct field target_port_fields[] = {
	{ .name = "number",
	  .type = F_NUMBER16,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_port_number, number),
	  .min = 1,
	  .max = 65535,
	  .help = "a port of each Pod; every address and port is a replica of its own" },
};
static const struct record record_target_port = { .name = "targetPorts",
						  .size = sizeof(struct config_port_number),
						  .position_at = offsetof(struct config_port_number, at),
						  FIELDS(target_port_fields) };
static const struct field selector_fields[] = {
	{ .name = "matchLabels",
	  .type = F_LABELS,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_inference_pool, selector),
	  .min = 1,
	  .max = 64,
	  .help = "labels of its Pods and EndpointSlices" },
	UNSUPPORTED("matchExpressions", "matchLabels"),
};
static const struct record record_selector = { .name = "selector",
					       .position_at = NO_POSITION,
					       FIELDS(selector_fields) };

static const struct field picker_port_fields[] = {
	{ .name = "number",
	  .type = F_NUMBER16,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_inference_pool, picker.port),
	  .min = 1,
	  .max = 65535,
	  .help = "its port" },
};
static const struct record record_picker_port = { .name = "port",
						  .position_at = NO_POSITION,
						  FIELDS(picker_port_fields) };
static const struct field picker_fields[] = {
	{ .name = "group",
	  .type = F_TEXT,
	  .at = offsetof(struct config_inference_pool, picker.group),
	  .help = "empty" },
	{ .name = "kind",
	  .type = F_TEXT,
	  .at = offsetof(struct config_inference_pool, picker.kind),
	  .initial_text = "Service",
	  .help = "Service" },
	{ .name = "name",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_inference_pool, picker.name),
	  .check = scalar_is_dns_subdomain,
	  .help = "its name" },
	{ .name = "port", .type = F_RECORD, .record = &record_picker_port, .help = "its port" },
	{ .name = "failureMode",
	  .type = F_WORD,
	  .at = offsetof(struct config_inference_pool, picker_failure_mode),
	  .words = "FailClose FailOpen",
	  .help = "kept" },
};
static const struct record record_picker = { .name = "endpointPickerRef",
					     .position_at = NO_POSITION,
					     FIELDS(picker_fields) };

static const struct field pool_spec_fields[] = {
	{ .name = "selector",
	  .type = F_RECORD,
	  .flags = FIELD_REQUIRED,
	  .record = &record_selector,
	  .help = "which replicas are its own" },
	{ .name = "targetPorts",
	  .type = F_LIST,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_inference_pool, target_ports),
	  .count_at = offsetof(struct config_inference_pool, target_port_count),
	  .min = 1,
	  .max = 8,
	  .record = &record_target_port,
	  .help = "ports of Pods, and of EndpointSlices without ports" },
	{ .name = "appProtocol",
	  .type = F_WORD,
	  .at = offsetof(struct config_inference_pool, app_protocol),
	  .words = "http !kubernetes.io/h2c",
	  .help = "http" },
	{ .name = "endpointPickerRef",
	  .type = F_RECORD,
	  .flags = FIELD_HAS_COUNT,
	  .count_at = offsetof(struct config_inference_pool, has_picker),
	  .record = &record_picker,
	  .help = "kept for the objects' sake: Penstock picks itself" },
};
static const struct record record_pool_spec = { .name = "spec", .position_at = NO_POSITION, FIELDS(pool_spec_fields) };

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
	{ .name = "spec", .type = F_RECORD, .flags = FIELD_REQUIRED, .record = &record_pool_spec, .help = "the pool" },
	STATUS_FIELD,
};
const struct record record_inference_pool = { .name = "InferencePool",
					      .size = sizeof(struct config_inference_pool),
					      .position_at = NO_POSITION,
					      FIELDS(pool_fields),
					      .finish = finish_pool };

/* ---- InferenceObjective, InferenceModelRewrite ---- */

static const struct field pool_ref_fields[] = {
	{ .name = "group",
	  .type = F_TEXT,
	  .at = offsetof(struct config_ref, group),
	  .initial_text = "inference.networking.k8s.io",
	  .help = "inference.networking.k8s.io" },
	{ .name = "kind",
	  .type = F_TEXT,
	  .at = offsetof(struct config_ref, kind),
	  .initial_text = "InferencePool",
	  .help = "InferencePool" },
	{ .name = "name",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_ref, name),
	  .check = scalar_is_dns_subdomain,
	  .help = "name of the pool, in the same namespace" },
};
static const struct record record_pool_ref = {
	.name = "poolRef", .position_at = offsetof(struct config_ref, at), FIELDS(pool_ref_fields), .finish = finish_ref
};

static const struct field objective_spec_fields[] = {
	{ .name = "priority",
	  .type = F_SIGNED32,
	  .at = offsetof(struct config_objective, priority),
	  .min = INT32_MIN,
	  .max = INT32_MAX,
	  .help = "higher goes first; below 0 is refused first" },
	{ .name = "poolRef",
	  .type = F_RECORD,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_objective, pool_ref),
	  .record = &record_pool_ref,
	  .help = "the pool it is for" },
};
static const struct record record_objective_spec = { .name = "spec",
						     .position_at = NO_POSITION,
						     FIELDS(objective_spec_fields) };
static const struct field objective_fields[] = {
	HEAD_FIELDS,
	{ .name = "spec",
	  .type = F_RECORD,
	  .flags = FIELD_REQUIRED,
	  .record = &record_objective_spec,
	  .help = "the objective" },
	STATUS_FIELD,
};
const struct record record_objective = { .name = "InferenceObjective",
					 .size = sizeof(struct config_objective),
					 .position_at = NO_POSITION,
					 FIELDS(objective_fields) };

static const struct field model_fields[] = {
	{ .name = "type",
	  .type = F_WORD,
	  .at = offsetof(struct config_model_match, type),
	  .words = "Exact !RegularExpression",
	  .help = "Exact" },
	{ .name = "value",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_model_match, model),
	  .check = scalar_is_model,
	  .help = "the model a request asks for" },
};
static const struct record record_model = { .name = "model", .position_at = NO_POSITION, FIELDS(model_fields) };
static const struct field model_match_fields[] = {
	{ .name = "model", .type = F_RECORD, .flags = FIELD_REQUIRED, .record = &record_model, .help = "by its name" },
};
static const struct record record_model_match = { .name = "matches",
						  .size = sizeof(struct config_model_match),
						  .position_at = offsetof(struct config_model_match, at),
						  FIELDS(model_match_fields) };
static const struct field target_fields[] = {
	{ .name = "modelRewrite",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_rewrite_target, model),
	  .check = scalar_is_model,
	  .help = "the name it gets" },
	{ .name = "weight",
	  .type = F_NUMBER32,
	  .at = offsetof(struct config_rewrite_target, weight),
	  .min = 1,
	  .max = 1000000,
	  .help = "share of the requests; all targets of a rule have one, or none has" },
};
static const struct record record_target = { .name = "targets",
					     .size = sizeof(struct config_rewrite_target),
					     .position_at = offsetof(struct config_rewrite_target, at),
					     FIELDS(target_fields) };

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
	{ .name = "matches",
	  .type = F_LIST,
	  .at = offsetof(struct config_rewrite_rule, matches),
	  .count_at = offsetof(struct config_rewrite_rule, match_count),
	  .max = 1024,
	  .record = &record_model_match,
	  .help = "one of these models; default: every model" },
	{ .name = "targets",
	  .type = F_LIST,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_rewrite_rule, targets),
	  .count_at = offsetof(struct config_rewrite_rule, target_count),
	  .min = 1,
	  .max = 64,
	  .record = &record_target,
	  .help = "what is asked for instead" },
};
static const struct record record_rewrite_rule = { .name = "rules",
						   .size = sizeof(struct config_rewrite_rule),
						   .position_at = offsetof(struct config_rewrite_rule, at),
						   FIELDS(rewrite_rule_fields),
						   .finish = finish_rewrite_rule };
static const struct field rewrite_spec_fields[] = {
	{ .name = "poolRef",
	  .type = F_RECORD,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_model_rewrite, pool_ref),
	  .record = &record_pool_ref,
	  .help = "the pool it is for" },
	{ .name = "rules",
	  .type = F_LIST,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_model_rewrite, rules),
	  .count_at = offsetof(struct config_model_rewrite, rule_count),
	  .min = 1,
	  .max = 1024,
	  .record = &record_rewrite_rule,
	  .help = "exact matches go before rules without matches, older objects before younger, first rules before "
		  "later" },
};
static const struct record record_rewrite_spec = { .name = "spec",
						   .position_at = NO_POSITION,
						   FIELDS(rewrite_spec_fields) };
static const struct field rewrite_fields[] = {
	HEAD_FIELDS,
	{ .name = "spec",
	  .type = F_RECORD,
	  .flags = FIELD_REQUIRED,
	  .record = &record_rewrite_spec,
	  .help = "the rewrite" },
	STATUS_FIELD,
};
const struct record record_model_rewrite = { .name = "InferenceModelRewrite",
					     .size = sizeof(struct config_model_rewrite),
					     .position_at = NO_POSITION,
					     FIELDS(rewrite_fields) };

/* ---- our policies ---- */

static const struct field policy_target_fields[] = {
	{ .name = "group",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_ref, group),
	  .help = "its group" },
	{ .name = "kind",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_ref, kind),
	  .help = "its kind" },
	{ .name = "name",
	  .type = F_TEXT,
	  .flags = FIELD_REQUIRED,
	  .at = offsetof(struct config_ref, name),
	  .check = scalar_is_dns_subdomain,
	  .help = "its name, in the policy's namespace" },
	{ .name = "sectionName",
	  .type = F_TEXT,
	  .at = offsetof(struct config_ref, section_name),
	  .check = scalar_is_dns_subdomain,
	  .help = "one listener of a Gateway" },
};
static const struct record record_policy_target = { .name = "targetRefs",
						    .size = sizeof(struct config_ref),
						    .position_at = offsetof(struct config_ref, at),
						    FIELDS(policy_target_fields),
						    .finish = finish_ref };
#define TARGETS_FIELD                                                                                                  \
	{                                                                                                              \
		.name = "targetRefs", .type = F_LIST, .flags = FIELD_REQUIRED,                                         \
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
static const struct record record_inference_spec = { .name = "spec",
						     .position_at = NO_POSITION,
						     FIELDS(inference_spec_fields) };
static const struct field inference_policy_fields[] = {
	HEAD_FIELDS,
	{ .name = "spec",
	  .type = F_RECORD,
	  .flags = FIELD_REQUIRED,
	  .record = &record_inference_spec,
	  .help = "the policy" },
	STATUS_FIELD,
};
const struct record record_inference_policy = { .name = "InferencePolicy",
						.size = sizeof(struct config_policy),
						.position_at = NO_POSITION,
						FIELDS(inference_policy_fields) };

static const struct field listener_spec_fields[] = {
	TARGETS_FIELD,
	OPTIONS("limits", "sizes and counts"),
	OPTIONS("timeouts", "patience with clients"),
	OPTIONS("client", "what clients may do and say"),
};
static const struct record record_listener_spec = { .name = "spec",
						    .position_at = NO_POSITION,
						    FIELDS(listener_spec_fields) };
static const struct field listener_policy_fields[] = {
	HEAD_FIELDS,
	{ .name = "spec",
	  .type = F_RECORD,
	  .flags = FIELD_REQUIRED,
	  .record = &record_listener_spec,
	  .help = "the policy" },
	STATUS_FIELD,
};
const struct record record_listener_policy = { .name = "ListenerPolicy",
					       .size = sizeof(struct config_policy),
					       .position_at = NO_POSITION,
					       FIELDS(listener_policy_fields) };
