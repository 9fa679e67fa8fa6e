/* Messages from control to the prober. Each owns what it carries and is freed where it is delivered; the pool's own
 * record is only passed through, and comes back with the last message, so that it is freed on the thread that made it.
 */
#include "control/probing.h"

#include <stdlib.h>

#include "telemetry/telemetry.h"

struct errand {
	struct mail mail;
	void (*run)(const struct errand *e); /* on the signals thread */
	struct probed *pool;
	struct probe_policy policy;
	uint64_t replica;
	struct address address;
};

static struct probe_policy policy_of(const struct config_pool_options *o)
{
	struct probe_policy p = probe_policy_default();
	p.metrics_interval_ns = o->signal_interval_ns;
	p.health_interval_ns = o->health_interval_ns;
	p.timeout_ns = o->health_timeout_ns;
	span_copy(p.metrics_path, sizeof p.metrics_path, span_str(o->metrics_path));
	span_copy(p.health_path, sizeof p.health_path, span_str(o->health_path));
	span_copy(p.models_path, sizeof p.models_path, span_str(o->models_path));
	return p;
}

static void run_configure(const struct errand *e)
{
	struct probed *p = e->pool;
	if (p->questions)
		probe_pool_configure(p->questions, &e->policy);
	else
		p->questions = probe_pool_add(p->probe, p->gate, &e->policy);
}

static void run_added(const struct errand *e)
{
	int r = e->pool->questions ? probe_replica_added(e->pool->questions, e->replica, &e->address) : -PS_ENOMEM;
	if (r < 0 && r != -PS_EEXIST) /* it serves all the same, by what the gateway sees of it */
		log_event(LOG_WARN, "replica_not_probed", "reason", error_row(r)->text, NULL);
}

static void run_removed(const struct errand *e)
{
	if (e->pool->questions)
		probe_replica_removed(e->pool->questions, e->replica);
}

static void deliver(struct mail *m)
{
	struct errand *e = container_of(m, struct errand, mail);
	e->run(e);
	free(e);
}

static void post(const struct errand *what)
{
	struct errand *e = what->pool->signals ? malloc(sizeof *e) : NULL;
	if (!e)
		return;
	*e = *what;
	e->mail.deliver = deliver;
	loop_post(what->pool->signals, &e->mail);
}

void probed_configure(struct probed *p, const struct config_pool_options *o)
{
	post(&(struct errand){ .run = run_configure, .pool = p, .policy = policy_of(o) });
}

void probed_replica_added(struct probed *p, uint64_t id, const struct address *a)
{
	post(&(struct errand){ .run = run_added, .pool = p, .replica = id, .address = *a });
}

void probed_replica_removed(struct probed *p, uint64_t id)
{
	post(&(struct errand){ .run = run_removed, .pool = p, .replica = id });
}

static void deliver_leave(struct mail *m)
{
	struct probed *p = container_of(m, struct probed, leave);
	if (p->questions)
		probe_pool_remove(p->questions);
	p->questions = NULL;
	loop_post(p->home, &p->left);
}

void probed_leave(struct probed *p, void (*left)(struct mail *m))
{
	p->leave.deliver = deliver_leave;
	p->left.deliver = left;
	loop_post(p->signals ? p->signals : p->home, p->signals ? &p->leave : &p->left);
}
