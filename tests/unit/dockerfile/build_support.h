// Lowers Dockerfiles in tests, with made-up base images instead of registries.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "builder/dockerfile/lower.h"

namespace kiln::dockerfile {

/// Images by the name that a Dockerfile has for them; one that is not listed is an empty Linux one
/// with a PATH and one layer.
struct FakeImages {
  std::map<std::string, oci::ImageConfig> configs;
  std::vector<std::string> asked;  ///< in order

  [[nodiscard]] ResolvedImage resolve(const ImageNeed& need) {
    asked.push_back(need.text);
    const auto config = configs.find(need.text);
    return {sha256(need.key()), config == configs.end() ? plain() : config->second};
  }

  [[nodiscard]] static oci::ImageConfig plain() {
    oci::ImageConfig config;
    config.platform = {"linux", "amd64", "", ""};
    config.config.env = {"PATH=/bin"};
    config.diff_ids = {DiffId{sha256(std::string_view("layer"))}};
    config.history = {{"", "base", "", "", false}};
    return config;
  }
};

[[nodiscard]] inline LowerOptions test_options() {
  LowerOptions options;
  options.build_platform = options.target_platform = {"linux", "amd64", "", ""};
  return options;
}

[[nodiscard]] inline Lowered lower_text(std::string text,
                                        const LowerOptions& options = test_options(),
                                        FakeImages images = {}) {
  const Document document = Document::parse("Dockerfile", std::move(text));
  ResolvedImages known;
  while (true) {
    const std::vector<ImageNeed> missing = missing_images(document, options, known);
    if (missing.empty()) return lower(document, options, known);
    for (const ImageNeed& need : missing)
      known.emplace(need.key(), images.resolve(need));
  }
}

/// The message of the error that lowering `text` ends with, "" when there is none.
[[nodiscard]] inline std::string error_text(std::string text,
                                            const LowerOptions& options = test_options(),
                                            FakeImages images = {}) {
  try {
    (void)lower_text(std::move(text), options, std::move(images));
  } catch (const DockerfileError& error) {
    return error.what();
  }
  return "";
}

[[nodiscard]] inline std::vector<std::string> history_of(const Lowered& lowered) {
  std::vector<std::string> lines;
  for (const StepHistory& step : lowered.history)
    lines.push_back(step.entry.created_by);
  return lines;
}

[[nodiscard]] inline std::vector<std::string> names_of(const Lowered& lowered) {
  std::vector<std::string> names;
  for (const graph::VertexId id : lowered.graph.closure({lowered.target}))
    names.push_back(lowered.graph[id].name);
  return names;
}

[[nodiscard]] inline std::vector<std::string> rules_of(const Lowered& lowered) {
  std::vector<std::string> rules;
  for (const Diagnostic& warning : lowered.warnings)
    rules.push_back(warning.rule);
  return rules;
}

/// The operation of the last step, which is of that type.
template <class Op>
[[nodiscard]] const Op& last_op(const Lowered& lowered) {
  return std::get<Op>(lowered.graph[lowered.target].op);
}

}  // namespace kiln::dockerfile
