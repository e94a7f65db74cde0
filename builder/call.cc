#include "builder/call.h"

#include "builder/dockerfile/call_result.h"
#include "builder/prepare.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

dockerfile::LowerOptions options_of(const BuildRequest& request,
                                    const BuildInputs& inputs,
                                    const Services::Parts& parts) {
  // Of several platforms one is enough: the text is the same for all of them.
  const Platform platform =
      request.platforms.empty() ? Platform::host() : Platform::parse(request.platforms[0]);
  return to_options(request, platform, inputs.ignore, parts.config);
}

/// What the Dockerfile becomes; `options` are for that and for its mistakes.
asio::awaitable<dockerfile::Lowered> lowered(const BuildRequest& request,
                                             const BuildInputs& inputs,
                                             dockerfile::LowerOptions options,
                                             Services::Parts& parts) {
  throw_mistakes(inputs, options);
  // A question fetches nothing to find a date.
  if (!dockerfile::source_date_name(inputs.document, options).empty())
    options.build_args["SOURCE_DATE_EPOCH"] = "";
  co_return co_await plan(inputs, std::move(options), request.pull,
                          std::make_shared<solver::SilentListener>(), parts);
}

asio::awaitable<dockerfile::CallResult> check_it(const BuildRequest& request,
                                                 const BuildInputs& inputs,
                                                 Services::Parts& parts) {
  dockerfile::LowerOptions options = options_of(request, inputs, parts);
  options.all_stages = request.target.empty();
  dockerfile::CheckReport report;
  try {
    report.warnings = (co_await lowered(request, inputs, std::move(options), parts)).warnings;
  } catch (const dockerfile::DockerfileError& error) {
    report = {error.warnings(), error.diagnostics()};
  }
  co_return dockerfile::check_result(inputs.document, report);
}

asio::awaitable<dockerfile::CallResult> outline_it(const BuildRequest& request,
                                                   const BuildInputs& inputs,
                                                   Services::Parts& parts) {
  const dockerfile::Lowered result =
      co_await lowered(request, inputs, options_of(request, inputs, parts), parts);
  co_return dockerfile::outline_result(inputs.document, result.outline);
}

asio::awaitable<dockerfile::CallResult> answer(const BuildRequest& request,
                                               const BuildInputs& inputs,
                                               Services::Parts& parts) {
  if (request.call == "check") co_return co_await check_it(request, inputs, parts);
  if (request.call == "outline") co_return co_await outline_it(request, inputs, parts);
  throw_mistakes(inputs, options_of(request, inputs, parts));
  co_return dockerfile::targets_result(inputs.document);
}

}  // namespace

bool is_question(const BuildRequest& request) {
  const std::string& call = request.call;
  if (call.empty() || call == "build") return false;
  if (call == "check" || call == "outline" || call == "targets") return true;
  throw Error(Errc::invalid_input, "--call {}: want build, check, outline or targets", call);
}

asio::awaitable<Finished> answer_question(const BuildRequest& request,
                                          Caller& caller,
                                          Services::Parts& parts) {
  const store::Lease lease(parts.leases);  // for what is fetched of base images
  const BuildInputs inputs =
      co_await read_inputs(request, caller, std::make_shared<solver::SilentListener>(), parts);
  dockerfile::CallResult result = co_await answer(request, inputs, parts);
  Finished finished;
  finished.metadata = {{"result.json", std::move(result.json)},
                       {"result.txt", std::move(result.text)}};
  if (request.call == "check")
    finished.metadata["result.statuscode"] = std::to_string(result.status);
  co_return finished;
}

}  // namespace kiln
