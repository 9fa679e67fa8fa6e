/* Which API a path is. Once per request, on the worker. */
#include "openai/openai.h"

static const struct {
	struct span suffix;
	const char *operation; /* gen_ai.operation.name of OpenTelemetry's GenAI conventions */
} apis[API_COUNT] = {
	[API_NONE] = { SPAN(""), "" },
	[API_CHAT] = { SPAN("/v1/chat/completions"), "chat" },
	[API_COMPLETIONS] = { SPAN("/v1/completions"), "text_completion" },
	[API_EMBEDDINGS] = { SPAN("/v1/embeddings"), "embeddings" },
	[API_RESPONSES] = { SPAN("/v1/responses"), "generate_content" },
	[API_MESSAGES] = { SPAN("/v1/messages"), "chat" },
	[API_MODELS] = { SPAN("/v1/models"), "" },
};

static struct span without_query(struct span path)
{
	struct span rest;
	return span_cut(path, '?', &rest);
}

enum openai_api openai_api_of(struct span path)
{
	path = without_query(path);
	for (int i = API_CHAT; i < API_COUNT; i++)
		if (span_ends(path, apis[i].suffix))
			return (enum openai_api)i;
	/* /v1/models/{id}; an id may hold slashes */
	ptrdiff_t at = span_search(path, SPAN("/v1/models/"));
	return at >= 0 && path.n > (size_t)at + sizeof "/v1/models/" - 1 ? API_MODELS : API_NONE;
}

bool openai_is_anthropic(struct span path)
{
	path = without_query(path);
	return span_ends(path, SPAN("/v1/messages")) || span_search(path, SPAN("/v1/messages/")) >= 0 ||
	       span_starts(path, SPAN("/anthropic/"));
}

const char *openai_operation(enum openai_api api)
{
	return (unsigned)api < API_COUNT ? apis[api].operation : "";
}
