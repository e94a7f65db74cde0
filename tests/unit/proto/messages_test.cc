#include "proto/messages.h"

#include <gmock/gmock.h>

#include "proto/build_history.h"

namespace kiln {
namespace {

using testing::ElementsAre;

template <class Event>
Event there_and_back(const Event& event) {
  const std::string json = to_json(BuildEvent(event));
  const BuildEvent again = from_json<BuildEvent>(json);
  EXPECT_TRUE(std::holds_alternative<Event>(again)) << json;
  EXPECT_EQ(to_json(again), json);
  EXPECT_EQ(json.find('\n'), std::string::npos) << "an event is one line";
  return std::get<Event>(again);
}

TEST(BuildEvent, StepStartedIsWrittenWithItsName) {
  EXPECT_EQ(to_json(BuildEvent(StepStarted{3, "RUN x"})),
            R"({"event":"step_started","step":3,"name":"RUN x"})");
  EXPECT_EQ(there_and_back(StepStarted{3, "RUN x"}).name, "RUN x");
}

TEST(BuildEvent, BuildStartedComesBack) {
  EXPECT_EQ(there_and_back(BuildStarted{"b1"}).build_id, "b1");
}

TEST(BuildEvent, StepPhaseComesBackWithEachPhase) {
  for (int phase = 0; phase <= static_cast<int>(Phase::output); ++phase) {
    const StepPhase event =
        there_and_back(StepPhase{1, static_cast<Phase>(phase), "x", 5, 1LL << 40U, 7});
    EXPECT_EQ(event.phase, static_cast<Phase>(phase));
    EXPECT_EQ(event.duration_ns, 1LL << 40U);
    EXPECT_EQ(event.bytes, 7U);
  }
}

TEST(BuildEvent, StepExplainedComesBackWithItsDifferences) {
  const StepExplained event = there_and_back(StepExplained{
      1, MissReason::changed, {{DifferenceKind::variable, "V", "added", "", "2"}}, 3});
  EXPECT_EQ(event.reason, MissReason::changed);
  EXPECT_EQ(event.differences.at(0).kind, DifferenceKind::variable);
  EXPECT_EQ(event.differences.at(0).after, "2");
  EXPECT_EQ(event.more, 3U);
}

TEST(BuildHistory, APartOfALogIsJsonOfItsLines) {
  const std::string lines = to_json(TimedEvent{7, StepLog{1, 2, "a\nb"}}) + "\n" +
                            to_json(TimedEvent{9, StepEnded{1, StepOutcome::done, 0}}) + "\n";
  const auto part = from_json<BuildLogPart>(build_log_part_json(300, true, lines));
  EXPECT_EQ(part.next_offset, 300U);
  EXPECT_TRUE(part.running);
  ASSERT_EQ(part.events.size(), 2U);
  EXPECT_EQ(part.events[0].at_ns, 7);
  EXPECT_EQ(std::get<StepLog>(part.events[0].event).text, "a\nb");
  EXPECT_TRUE(from_json<BuildLogPart>(build_log_part_json(0, false, "")).events.empty());
}

TEST(BuildHistory, ABuildsDetailComesBack) {
  BuildDetail detail;
  detail.build = {"1a", "done", ".", "t", {"app:1"}, "sha256:x", "", "2026-01-02T03:04:05Z",
                  9,    2,      1};
  detail.steps = {{1,
                   "RUN x",
                   "done",
                   3,
                   4,
                   StepExplained{1, MissReason::first, {}, 0},
                   {{1, Phase::run, "", 3, 4, 0}}}};
  const auto again = from_json<BuildDetail>(to_json(detail));
  EXPECT_EQ(to_json(again), to_json(detail));
  EXPECT_EQ(again.build.names.at(0), "app:1");
  EXPECT_EQ(again.steps.at(0).explained->reason, MissReason::first);
}

TEST(BuildEvent, StepProgressComesBack) {
  const StepProgress event = there_and_back(StepProgress{1, "sha256:x", 1ULL << 60U, 1ULL << 61U});
  EXPECT_EQ(event.current_bytes, 1ULL << 60U);
  EXPECT_EQ(event.total_bytes, 1ULL << 61U);
}

TEST(BuildEvent, StepLogComesBackWithEveryCharacter) {
  const std::string text = "tab\t newline\n \x1b[31m quote\" backslash\\ \xc3\xa9";
  const StepLog event = there_and_back(StepLog{1, 2, text});
  EXPECT_EQ(event.text, text);
  EXPECT_EQ(event.stream, 2);
}

TEST(BuildEvent, LogBytesThatAreNotTextAreReplacedAndDoNotThrow) {
  const BuildEvent again = from_json<BuildEvent>(to_json(BuildEvent(StepLog{1, 1,
                                                                            "a\xff\xfe"
                                                                            "b"})));
  EXPECT_THAT(std::get<StepLog>(again).text, testing::StartsWith("a"));
  EXPECT_THAT(std::get<StepLog>(again).text, testing::EndsWith("b"));
}

TEST(BuildEvent, StepEndedComesBackWithEachOutcome) {
  for (const StepOutcome outcome :
       {StepOutcome::done, StepOutcome::cached, StepOutcome::failed, StepOutcome::cancelled}) {
    const StepEnded event = there_and_back(StepEnded{1, outcome, 1234});
    EXPECT_EQ(event.outcome, outcome);
    EXPECT_EQ(event.duration_ms, 1234);
  }
}

TEST(BuildEvent, WarningComesBack) {
  EXPECT_EQ(there_and_back(Warning{"Dockerfile:3: x\n>>> FROM"}).text, "Dockerfile:3: x\n>>> FROM");
}

TEST(BuildEvent, CredentialsNeededComesBack) {
  const CredentialsNeeded event = there_and_back(CredentialsNeeded{"t", "ghcr.io"});
  EXPECT_EQ(event.ticket, "t");
  EXPECT_EQ(event.registry, "ghcr.io");
}

TEST(BuildEvent, FinishedComesBack) {
  const Finished event =
      there_and_back(Finished{"b1", "sha256:m", "sha256:c", {"a:1", "b:2"}, {{"k", "v"}}});
  EXPECT_EQ(event.build_id, "b1");
  EXPECT_EQ(event.image_digest, "sha256:m");
  EXPECT_EQ(event.config_digest, "sha256:c");
  EXPECT_THAT(event.names, ElementsAre("a:1", "b:2"));
  EXPECT_EQ(event.metadata.at("k"), "v");
}

TEST(BuildEvent, FailedComesBackWithEachCode) {
  for (int code = 1; code <= static_cast<int>(Errc::internal); ++code) {
    const Failed event = there_and_back(Failed{static_cast<Errc>(code), "why", 4, 127, {"a", "b"}});
    EXPECT_EQ(event.code, static_cast<Errc>(code));
    EXPECT_EQ(event.message, "why");
    EXPECT_EQ(event.step, 4);
    EXPECT_EQ(event.exit_code, 127);
    EXPECT_THAT(event.log_tail, ElementsAre("a", "b"));
  }
}

TEST(BuildEvent, AnExitCodeOfZeroIsNotAMissingOne) {
  EXPECT_EQ(there_and_back(Failed{Errc::internal, "", 0, 0, {}}).exit_code, 0);
  EXPECT_EQ(there_and_back(Failed{}).exit_code, std::nullopt);
  EXPECT_EQ(there_and_back(Failed{}).step, std::nullopt);
}

TEST(BuildEvent, UnknownFieldsAreIgnored) {
  const BuildEvent event = from_json<BuildEvent>(
      R"({"event":"step_started","colour":{"deep":[1,2]},"step":3,"name":"x"})");
  EXPECT_EQ(std::get<StepStarted>(event).step, 3);
}

TEST(BuildEvent, MissingFieldsAndNullsKeepTheirDefaults) {
  const auto event =
      std::get<StepLog>(from_json<BuildEvent>(R"({"event":"step_log","text":null})"));
  EXPECT_EQ(event.stream, 1);
  EXPECT_EQ(event.text, "");
}

template <class T>
void expect_refused(const std::string& json) {
  try {
    (void)from_json<T>(json);
    ADD_FAILURE() << "accepted " << json.substr(0, 200);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::invalid_input) << json.substr(0, 200);
  }
}

TEST(BuildEvent, WhatIsNoEventIsRefused) {
  for (const char* json :
       {"", "{", "[]", "1", "null", "{}", R"({"event":1})", R"({"event":"x"})",
        R"({"event":"step_log","stream":"1"})", R"({"event":"step_log","stream":4294967297})",
        R"({"event":"step_progress","current_bytes":-1})",
        R"({"event":"step_ended","outcome":"great"})", R"({"event":"failed","code":3})",
        R"({"event":"finished","names":"a"})", R"({"event":"finished","names":[1]})",
        R"({"event":"finished","metadata":[]})"}) {
    expect_refused<BuildEvent>(json);
  }
  expect_refused<BuildEvent>(R"({"event":)" + std::string(1'000'000, '['));
}

BuildRequest full_request() {
  BuildRequest request;
  request.tags = {"a:1", "b"};
  request.context_name = ".";
  request.dockerfile_name = "Dockerfile";
  request.target = "final";
  request.build_args = {{"A", ""}, {"B", "x=y"}};
  request.labels = {{"l", "v"}};
  request.platforms = {"linux/amd64"};
  request.outputs = {{"tar", {{"dest", "-"}}}, {"image", {}}};
  request.push = request.pull = request.no_cache = true;
  request.no_cache_stages = {"s"};
  request.network = "none";
  request.add_hosts = {"h:1.2.3.4"};
  request.ulimits = {"nofile=1024"};
  request.shm_size_bytes = 1LL << 40U;
  request.allow = {"network.host"};
  request.cache_from = {{"registry", {{"ref", "r"}}}};
  request.cache_to = {{"inline", {}}};
  request.descriptors = {"context", "secret:id"};
  return request;
}

TEST(BuildRequest, ComesBackWhole) {
  const std::string json = to_json(full_request());
  const auto again = from_json<BuildRequest>(json);
  EXPECT_EQ(to_json(again), json);
  EXPECT_EQ(again.build_args.at("A"), "");
  EXPECT_EQ(again.outputs.at(0).attributes.at("dest"), "-");
  EXPECT_EQ(again.shm_size_bytes, 1LL << 40U);
  EXPECT_TRUE(again.push && again.pull && again.no_cache);
  EXPECT_THAT(again.descriptors, ElementsAre("context", "secret:id"));
}

TEST(BuildRequest, EmptyIsWrittenAsNothing) {
  EXPECT_EQ(to_json(BuildRequest{}), "{}");
  EXPECT_NO_THROW((void)from_json<BuildRequest>("{}"));
}

TEST(BuildRequest, WrongTypesAreRefusedByTheField) {
  for (const char* json :
       {R"({"tags":"a"})", R"({"tags":[1]})", R"({"push":1})", R"({"push":"yes"})",
        R"({"build_args":{"A":1}})", R"({"build_args":[]})", R"({"outputs":[1]})",
        R"({"shm_size_bytes":1.5})", R"({"shm_size_bytes":18446744073709551615})", "[]", "\"x\""}) {
    expect_refused<BuildRequest>(json);
  }
  try {
    (void)from_json<BuildRequest>(R"({"push":1})");
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("\"push\""));
  }
}

TEST(Messages, OfOtherKindsComeBack) {
  const DiskUsage usage{{{"images", 1, 2, 3}, {"blobs", 0, 0, 0}}};
  EXPECT_EQ(from_json<DiskUsage>(to_json(usage)).rows.at(0).reclaimable_bytes, 3U);
  EXPECT_EQ(from_json<DiskUsage>(to_json(usage)).rows.at(1).kind, "blobs");
  EXPECT_TRUE(from_json<PruneRequest>(to_json(PruneRequest{true})).all);
  EXPECT_EQ(from_json<PruneReport>(to_json(PruneReport{4, 5})).freed_bytes, 5U);
  const std::vector<ImageSummary> images{{"a:1", "sha256:d", "sha256:c", "linux/amd64", 9, "now"}};
  EXPECT_EQ(from_json<std::vector<ImageSummary>>(to_json(images)).at(0).size_bytes, 9U);
  EXPECT_EQ(to_json(std::vector<ImageSummary>{}), "[]");
  const std::vector<HistoryRow> history{{"now", "RUN x", "c", 3, true}};
  EXPECT_TRUE(from_json<std::vector<HistoryRow>>(to_json(history)).at(0).empty_layer);
  EXPECT_EQ(from_json<Credentials>(to_json(Credentials{"u", "p", "t"})).identity_token, "t");
  EXPECT_EQ(from_json<SaveRequest>(to_json(SaveRequest{{"a"}, "oci", {"output:0"}})).format, "oci");
  EXPECT_EQ(from_json<TransferRequest>(to_json(TransferRequest{"a", "p"})).platform, "p");
  EXPECT_EQ(from_json<VersionInfo>(to_json(VersionInfo{"1", 2})).api_version, 2);
  EXPECT_EQ(from_json<ErrorReply>(to_json(ErrorReply{Errc::denied, "no"})).code, Errc::denied);
}

TEST(ToWord, IsDifferentForEachCode) {
  std::vector<std::string_view> words;
  for (int code = 1; code <= static_cast<int>(Errc::internal); ++code)
    words.push_back(to_word(static_cast<Errc>(code)));
  EXPECT_THAT(words, ElementsAre("invalid_input", "not_found", "denied", "unavailable", "corrupt",
                                 "cancelled", "step_failed", "internal"));
}

}  // namespace
}  // namespace kiln
