#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builder/dockerfile/ast.h"
#include "builder/dockerfile/heredoc.h"

namespace kiln::dockerfile {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

using RunCommand = Run;  // testing::Test has a Run of its own

Ast parse(std::string text) {
  return parse_dockerfile("Dockerfile", std::move(text));
}

/// The one instruction after FROM scratch.
Instruction second(std::string text) {
  Ast ast = parse("FROM scratch\n" + text);
  EXPECT_THAT(ast.instructions, SizeIs(2));
  return std::move(ast.instructions.at(1));
}

template <class T>
T command(std::string text) {
  return std::get<T>(second(std::move(text)).command);
}

std::string error_of_text(std::string text) {
  try {
    (void)parse(std::move(text));
  } catch (const DockerfileError& error) {
    return error.what();
  }
  return "";
}

std::vector<std::string> texts(const std::vector<Token>& tokens) {
  std::vector<std::string> result;
  for (const Token& token : tokens)
    result.push_back(token.text);
  return result;
}

TEST(Parser, JoinsContinuationLines) {
  const Instruction run = second("RUN a \\\n  b \\  \n c\n");
  EXPECT_EQ(run.text, "RUN a   b  c");
  EXPECT_EQ(run.range.first_line, 2);
  EXPECT_EQ(run.range.last_line, 4);
}

TEST(Parser, DropsCommentsInsideContinuations) {
  EXPECT_EQ(second("RUN a \\\n  # comment\n# another\n  b\n").text, "RUN a   b");
}

TEST(Parser, WarnsAboutEmptyContinuationLines) {
  const Ast ast = parse("FROM scratch\nRUN a \\\n\n  b\nRUN c\n");
  ASSERT_THAT(ast.warnings, SizeIs(1));
  EXPECT_EQ(ast.warnings[0].rule, "NoEmptyContinuation");
  EXPECT_EQ(ast.warnings[0].range.first_line, 3);
  EXPECT_THAT(ast.instructions, SizeIs(3));
}

TEST(Parser, DoesNotContinueAfterAnEscapedEscape) {
  EXPECT_THAT(parse("FROM scratch\nRUN a \\\\\nRUN b\n").instructions, SizeIs(3));
}

TEST(Parser, ReadsWindowsLineEndsAndAByteOrderMark) {
  const Ast ast = parse("\xEF\xBB\xBF# escape=`\r\nFROM scratch\r\nRUN a `\r\n b\r\n");
  EXPECT_EQ(ast.escape, '`');
  ASSERT_THAT(ast.instructions, SizeIs(2));
  EXPECT_EQ(ast.instructions[1].text, "RUN a  b");
}

TEST(Parser, StopsLookingForDirectivesAtTheFirstOtherLine) {
  EXPECT_EQ(parse("# comment\n# escape=`\nFROM scratch\n").escape, '\\');
  EXPECT_EQ(parse("\n# escape=`\nFROM scratch\n").escape, '\\');
  EXPECT_EQ(parse("# unknown=1\n# escape=`\nFROM scratch\n").escape, '\\');
  EXPECT_EQ(parse("# syntax=docker/dockerfile:1\n#EsCaPe = `  \nFROM scratch\n").escape, '`');
}

TEST(Parser, RefusesRepeatedAndWrongDirectives) {
  EXPECT_THAT(error_of_text("# escape=`\n# escape=`\nFROM scratch\n"),
              HasSubstr("only one escape parser directive can be used"));
  EXPECT_THAT(error_of_text("# escape=x\nFROM scratch\n"), HasSubstr("invalid escape token"));
}

TEST(Parser, KnowsInstructionsInAnyCase) {
  EXPECT_EQ(command<Workdir>("workDir /x\n").path.text, "/x");
}

TEST(Parser, LimitsTheLengthOfALine) {
  const std::string name(65'535 - 4, 'x');
  EXPECT_EQ(error_of_text("FROM scratch\nRUN " + name + "\n"), "");
  EXPECT_THAT(error_of_text("FROM scratch\nRUN " + name + "x\n"),
              HasSubstr("Dockerfile:2: dockerfile line greater than max allowed size of 65535"));
}

TEST(Parser, ReadsFlags) {
  const Instruction copy =
      second("COPY --from=x --link --chown='a b' --exclude=p --exclude=q s d\n");
  EXPECT_EQ(copy.flag("from")->value, "x");
  EXPECT_EQ(copy.flag("link")->value, std::nullopt);
  EXPECT_EQ(copy.flag("chown")->value, "a b");
  EXPECT_THAT(copy.flags, SizeIs(5));
  EXPECT_THAT(texts(std::get<Copy>(copy.command).sources), ElementsAre("s"));
}

TEST(Parser, EndsFlagsAtTwoDashes) {
  EXPECT_THAT(texts(command<Copy>("COPY -- --odd d\n").sources), ElementsAre("--odd"));
}

TEST(Parser, RefusesWrongFlags) {
  EXPECT_THAT(error_of_text("FROM scratch\nCOPY --chwon=1 a b\n"),
              StartsWith("Dockerfile:2:6: unknown flag --chwon of COPY; did you mean --chown?"));
  EXPECT_THAT(error_of_text("FROM scratch\nCOPY --from=a --from=b a b\n"),
              StartsWith("Dockerfile:2:15: flag --from is given twice"));
  EXPECT_THAT(error_of_text("FROM scratch\nCOPY --from a b\n"),
              HasSubstr("missing a value on flag --from"));
  EXPECT_THAT(error_of_text("FROM scratch\nCOPY --link=maybe a b\n"),
              HasSubstr("expecting boolean value for flag --link"));
  EXPECT_THAT(error_of_text("FROM scratch\nCMD --help\n"), HasSubstr("unknown flag --help of CMD"));
}

TEST(Parser, PrefersTheJsonForm) {
  const CommandLine exec = command<Cmd>("CMD [\"a\", \"b c\"]\n").command;
  EXPECT_TRUE(exec.exec_form);
  EXPECT_THAT(exec.words, ElementsAre("a", "b c"));
  const CommandLine shell = command<Cmd>("CMD ['a', 'b']\n").command;
  EXPECT_FALSE(shell.exec_form);
  EXPECT_THAT(shell.words, ElementsAre("['a', 'b']"));
  EXPECT_TRUE(command<Cmd>("CMD []\n").command.exec_form);
  EXPECT_THAT(command<Cmd>("CMD\n").command.words, IsEmpty());
  EXPECT_THAT(error_of_text("FROM scratch\nCMD [\"a\", 1]\n"),
              HasSubstr("arrays must be comprised of strings only"));
}

TEST(Parser, ReadsVariablesInBothForms) {
  const Env env = command<Env>("ENV A=1 B='2 3' C=\"x\\\"y\" D=a\\ b E=\n");
  ASSERT_THAT(env.pairs, SizeIs(5));
  EXPECT_EQ(env.pairs[1].value.text, "'2 3'");
  EXPECT_EQ(env.pairs[3].value.text, "a\\ b");
  EXPECT_EQ(env.pairs[4].value.text, "");
  const Env legacy = command<Env>("ENV A   b  c\n");
  EXPECT_TRUE(legacy.pairs.at(0).legacy);
  EXPECT_EQ(legacy.pairs[0].value.text, "b  c");
  EXPECT_THAT(error_of_text("FROM scratch\nENV A\n"), HasSubstr("ENV must have two arguments"));
  EXPECT_THAT(error_of_text("FROM scratch\nENV A=1 B\n"), HasSubstr("can't find = in \"B\""));
  EXPECT_THAT(error_of_text("FROM scratch\nENV =1\n"), HasSubstr("ENV names can not be blank"));
}

TEST(Parser, ReadsSeveralArguments) {
  const Arg arg = command<Arg>("ARG a b=1 c=\n");
  ASSERT_THAT(arg.definitions, SizeIs(3));
  EXPECT_FALSE(arg.definitions[0].value);
  EXPECT_EQ(arg.definitions[2].value->text, "");
}

TEST(Parser, ReadsHeredocs) {
  const RunCommand run = command<RunCommand>("RUN <<EOF\necho a\n  echo b\nEOF\n");
  ASSERT_THAT(run.command.heredocs, SizeIs(1));
  EXPECT_EQ(run.command.heredocs[0].content, "echo a\n  echo b\n");
  EXPECT_TRUE(run.command.heredocs[0].expand);
}

TEST(Parser, ReadsSeveralHeredocsOfOneLine) {
  const Copy copy = command<Copy>("COPY <<a.txt <<-'b.txt' other /dst/\n$x\na.txt\n\tB\n\tb.txt\n");
  ASSERT_THAT(copy.documents, SizeIs(2));
  EXPECT_EQ(copy.documents[0].content, "$x\n");
  EXPECT_FALSE(copy.documents[1].expand);
  EXPECT_EQ(body_of(copy.documents[1]), "B\n");
  EXPECT_THAT(texts(copy.sources), ElementsAre("other"));
  EXPECT_EQ(copy.destination.text, "/dst/");
}

TEST(Parser, KeepsTheLineEndsOfHeredocs) {
  EXPECT_EQ(command<RunCommand>("RUN <<EOF\r\na\r\nEOF\r\n").command.heredocs.at(0).content,
            "a\r\n");
}

TEST(Parser, ReadsHeredocsBehindOnbuild) {
  EXPECT_EQ(command<Onbuild>("ONBUILD RUN <<EOF\necho\nEOF\n").trigger, "RUN <<EOF\necho\nEOF");
}

TEST(Parser, FindsNoHeredocWhereThereIsNone) {
  EXPECT_THAT(command<RunCommand>("RUN cat <<<word\n").command.heredocs, IsEmpty());
  EXPECT_THAT(command<RunCommand>("RUN [\"cat\", \"<<EOF\"]\n").command.heredocs, IsEmpty());
  EXPECT_THAT(command<RunCommand>("RUN echo '<<EOF'\n").command.heredocs, IsEmpty());
  EXPECT_THAT(command<RunCommand>("RUN echo $((1 << 2))\n").command.heredocs, IsEmpty());
  EXPECT_THAT(command<Env>("ENV A=<<EOF\n").pairs, SizeIs(1));
}

TEST(Parser, AllowsABlankBeforeTheDelimiter) {
  EXPECT_EQ(command<RunCommand>("RUN cat << EOF\nx\nEOF\n").command.heredocs.at(0).content, "x\n");
}

TEST(Parser, RefusesAnUnterminatedHeredoc) {
  EXPECT_THAT(error_of_text("FROM scratch\nRUN <<EOF\nabc\n"),
              StartsWith("Dockerfile:2:5: unterminated heredoc \"EOF\""));
  EXPECT_THAT(error_of_text("FROM scratch\nCOPY a <<EOF\nabc\nEOF\n"),
              HasSubstr("COPY cannot accept a heredoc as a destination"));
}

TEST(Parser, ReadsHealthchecks) {
  const auto check =
      command<HealthcheckCommand>(
          "HEALTHCHECK --interval=1m30s --timeout=3s --start-period=500ms --start-interval=2s "
          "--retries=4 CMD curl -f x || exit 1\n")
          .check;
  EXPECT_THAT(check.test, ElementsAre("CMD-SHELL", "curl -f x || exit 1"));
  EXPECT_EQ(check.interval_ns, 90'000'000'000);
  EXPECT_EQ(check.start_period_ns, 500'000'000);
  EXPECT_EQ(check.retries, 4);
  EXPECT_THAT(command<HealthcheckCommand>("HEALTHCHECK cmd [\"a\"]\n").check.test,
              ElementsAre("CMD", "a"));
  EXPECT_THAT(command<HealthcheckCommand>("HEALTHCHECK none\n").check.test, ElementsAre("NONE"));
  EXPECT_THAT(error_of_text("FROM scratch\nHEALTHCHECK --interval=1us CMD x\n"),
              HasSubstr("cannot be less than 1ms"));
  EXPECT_THAT(error_of_text("FROM scratch\nHEALTHCHECK --retries=-1 CMD x\n"),
              HasSubstr("--retries cannot be negative"));
  EXPECT_THAT(error_of_text("FROM scratch\nHEALTHCHECK FOO x\n"),
              HasSubstr("unknown type \"FOO\""));
}

TEST(Parser, ChecksArgumentCounts) {
  EXPECT_THAT(error_of_text("FROM a b\n"),
              HasSubstr("FROM requires either one or three arguments"));
  EXPECT_THAT(error_of_text("FROM a AS 1x\n"), HasSubstr("invalid name for build stage: \"1x\""));
  EXPECT_THAT(error_of_text("FROM a\nCOPY x\n"), HasSubstr("COPY requires at least two arguments"));
  EXPECT_THAT(error_of_text("FROM a\nSHELL bash\n"), HasSubstr("JSON form"));
  EXPECT_THAT(error_of_text("FROM a\nONBUILD ONBUILD RUN x\n"), HasSubstr("chaining ONBUILD"));
  EXPECT_THAT(error_of_text("FROM a\nONBUILD FROM x\n"),
              HasSubstr("FROM isn't allowed as an ONBUILD trigger"));
  EXPECT_THAT(error_of_text("FROM a\nWORKDIR\n"),
              HasSubstr("WORKDIR requires exactly one argument"));
  EXPECT_THAT(error_of_text("FROM a\nRUN --network=hots x\n"), HasSubstr("did you mean host?"));
}

TEST(Parser, WantsAStageFirst) {
  EXPECT_THAT(error_of_text("RUN x\nFROM a\n"),
              StartsWith("Dockerfile:1:1: RUN stands before the first FROM; only ARG may"));
  EXPECT_THAT(error_of_text("ARG x\n"), HasSubstr("dockerfile contains no stages to build"));
  EXPECT_THAT(error_of_text(""), HasSubstr("the Dockerfile cannot be empty"));
  EXPECT_THAT(error_of_text("# nothing\n"), HasSubstr("file with no instructions"));
}

TEST(Parser, AttachesCommentsToTheInstructionBelow) {
  const Ast ast = parse("# one\n\n# two\n#three\nFROM scratch\n");
  EXPECT_THAT(ast.instructions.at(0).comments, ElementsAre("two", "three"));
}

TEST(Heredoc, KnowsItsWords) {
  EXPECT_EQ(heredoc_of_word("<<EOF")->name, "EOF");
  EXPECT_EQ(heredoc_of_word("3<<EOF")->name, "EOF");
  EXPECT_TRUE(heredoc_of_word("<<-EOF")->strip_tabs);
  EXPECT_FALSE(heredoc_of_word("<<\"EOF\"")->expand);
  EXPECT_EQ(heredoc_of_word("<<'E O'")->name, "E O");
  EXPECT_EQ(heredoc_of_word("<<$EOF")->name, "$EOF");
  EXPECT_FALSE(heredoc_of_word("<<"));
  EXPECT_FALSE(heredoc_of_word("<<<EOF"));
  EXPECT_FALSE(heredoc_of_word("x<<EOF"));
}

}  // namespace
}  // namespace kiln::dockerfile
