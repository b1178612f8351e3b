"""What the pytest plugin's bot is told to say: by functions, from many threads, or wrongly."""

from __future__ import annotations

from plugin_runs import Run, assert_all

pytest_plugins = ["pytester"]


def test_what_an_answer_raises_is_the_tests_own(run: Run) -> None:
    """`pytest.fail` and its like are no `Exception`, and are raised in the server's thread."""
    result = run(
        """
        import threading

        def swallow(function, *arguments):
            try:
                function(*arguments, timeout=20)
            except chatgptes.UpstreamError:
                pass

        def fail(prompt):
            pytest.fail("not " + prompt)

        def expect(prompt):
            with pytest.raises(ValueError):
                int("5")
            return "unreached"

        def leave(prompt):
            raise SystemExit(3)

        def midway(prompt):
            yield "One"
            pytest.fail("after one")

        @pytest.mark.parametrize("function", [fail, expect, leave, midway])
        @pytest.mark.chatgptes(dialect="all")
        def test_swallowed(chatgptes_site, chatgptes_client, function):
            chatgptes_site.answers(function)
            swallow(chatgptes_client.chat, "this")

        def test_raised(chatgptes_site):
            chatgptes_site.answers(fail)
            chatgptes.chat("this")

        def test_the_site_goes_on(chatgptes_site, chatgptes_client):
            chatgptes_site.answers(leave, "two")
            with pytest.raises(chatgptes.UpstreamError, match="SystemExit: 3"):
                chatgptes_client.chat("Hello")
            assert chatgptes_client.chat("Hello").text == "two"
            assert chatgptes_site.sandbox.chat_connections == 1

        @pytest.mark.parametrize("how", [swallow, lambda chat, *rest: chat(*rest)])
        def test_skips(chatgptes_site, how):
            chatgptes_site.answers(lambda prompt: pytest.skip("no bot for this"))
            how(chatgptes.chat, "Hello")

        def test_xfails(chatgptes_site):
            chatgptes_site.answers(lambda prompt: pytest.xfail("not yet"))
            chatgptes.chat("Hello")

        def test_closed_early(chatgptes_site, chatgptes_client):
            chatgptes_site.answers(iter(["One", threading.Event(), " two"]))
            with chatgptes_client.stream("Hello") as stream:
                assert next(stream) == "One"

        def test_broken_off(chatgptes_site, chatgptes_client):
            chatgptes_site.fails("model-drop", saying=list("abcdef"))
            with pytest.raises(chatgptes.StreamInterruptedError) as caught:
                chatgptes_client.chat("Hello")
            assert caught.value.partial == "abc"
        """
    )
    assert_all(result, failed=22, skipped=2, xfailed=1, passed=2)
    result.stdout.fnmatch_lines(
        ["E*Failed: not this", "E*DID NOT RAISE*", "E*SystemExit: 3", "E*Failed: after one"]
    )
    result.stdout.fnmatch_lines(["SKIPPED*no bot for this"])
    result.stdout.no_fnmatch_line("*PytestUnhandledThreadExceptionWarning*")


def test_what_is_no_text_is_no_answer(run: Run) -> None:
    result = run(
        """
        @pytest.mark.parametrize("value", [
            None, 5, b"xy", ["a", 5], [b"x"], ValueError("returned")], ids=repr)
        def test_of_functions(chatgptes_site, value):
            chatgptes_site.answers(lambda prompt: value)
            with pytest.raises(chatgptes.UpstreamError):
                chatgptes.chat("Hello")

        def test_of_iterators(chatgptes_site):
            chatgptes_site.answers(iter(["a", 5]))
            with pytest.raises(chatgptes.UpstreamError):
                chatgptes.chat("Hello")

        @pytest.mark.parametrize("answer, named", [
            (b"x", "int"), (["a", 5], "int"), ([None], "NoneType"),
            (KeyboardInterrupt(), "KeyboardInterrupt")])
        def test_at_once(chatgptes_site, answer, named):
            for say in (chatgptes_site.answers, chatgptes_site.always):
                with pytest.raises(TypeError, match=named):
                    say(answer)
            with pytest.raises(TypeError, match=named):
                chatgptes_site.fails("cut", saying=answer)

        def test_faults(chatgptes_site):
            for times in (0, -3):
                with pytest.raises(ValueError, match=f"1 or more, not {times}"):
                    chatgptes_site.fails("quota", times=times)
            with pytest.raises(ValueError, match="no fault None"):
                chatgptes_site.fails(None)
        """
    )
    assert_all(result, failed=7, passed=5)
    result.stdout.fnmatch_lines(
        ["E*TypeError: An answer is a str*not NoneType.", "E*TypeError: A chunk*"]
    )


def test_turns_side_by_side_take_a_step_each(run: Run) -> None:
    """Whichever turn comes first at whichever step, each takes one, and none is left."""
    result = run(
        """
        from collections import Counter
        from concurrent.futures import ThreadPoolExecutor
        import threading

        def say(client, prompt):
            try:
                return client.chat(prompt).text
            except chatgptes.ChatGptEsError as error:
                return type(error).__name__

        @pytest.mark.parametrize("round", range(40))
        def test_two(chatgptes_site, chatgptes_client, round):
            chatgptes_site.answers("a")
            chatgptes_site.fails("quota")
            chatgptes_client.bots()
            with ThreadPoolExecutor(2) as pool:
                said = list(pool.map(lambda n: say(chatgptes_client, f"turn {n}"), range(2)))
            assert sorted(said) == ["QuotaError", "a"]

        @pytest.mark.parametrize("round", range(3))
        @pytest.mark.chatgptes(dialect="all")
        def test_many(chatgptes_site, request, round):
            kind = request.node.callspec.params["chatgptes_site"]
            fault, error = ("quota", "RefusedError" if kind == "mwai" else "QuotaError")
            if kind == "rest":
                fault, error = ("model-429", "UpstreamError")
            for number in range(20):
                chatgptes_site.answers(str(number))
                chatgptes_site.fails(fault)
                chatgptes_site.fails("http-404")
            arguments = {**chatgptes_site.arguments, "max_concurrency": 8, "retries": 0}
            with chatgptes.Client(**arguments) as client, ThreadPoolExecutor(8) as pool:
                client.bots()
                said = Counter(pool.map(lambda n: say(client, f"turn {n}"), range(60)))
            answers = {text: times for text, times in said.items() if text.isdigit()}
            assert answers == {str(number): 1 for number in range(20)}, said
            assert (said[error], said["UnexpectedStatusError"]) == (20, 20), said

        def test_in_the_order_in_which_they_begin(chatgptes_site):
            seen = threading.Event()
            chatgptes_site.answers(["slow", seen], "quick")
            with chatgptes.Client(chatgptes_site.url) as client:
                with client.stream("first") as stream:
                    assert next(stream) == "slow"
                    assert client.chat("second").text == "quick"
                    seen.set()
        """
    )
    assert_all(result, passed=56)


def test_what_a_turn_did_not_use_is_the_next_ones(run: Run) -> None:
    """A site can refuse a turn by itself, between its two requests or after them."""
    result = run(
        """
        def test_own_quota(chatgptes_site):
            chatgptes_site.answers("one", "two")
            chatgptes_site.sandbox.quota = 1
            with chatgptes.Client(chatgptes_site.url) as client:
                assert client.chat("a").text == "one"
                with pytest.raises(chatgptes.QuotaError):
                    client.chat("b")
                chatgptes_site.sandbox.quota = None
                assert client.chat("c").text == "two"

        def test_a_fault_of_the_sandbox(chatgptes_site, chatgptes_client):
            chatgptes_site.fails("guests")
            chatgptes_site.answers("one", "two")
            chatgptes_site.sandbox.next("model-length")
            assert chatgptes_client.chat("a").text == "one"
            chatgptes_site.sandbox.next("http-404")
            for error in (chatgptes.UnexpectedStatusError, chatgptes.RefusedError):
                with pytest.raises(error):
                    chatgptes_client.chat("b")
            assert chatgptes_client.chat("c").text == "two"
        """
    )
    assert_all(result, passed=2)


def test_nobody_goes_on_after_the_test(run: Run) -> None:
    result = run(
        """
        import threading
        went_on = []

        def test_one(chatgptes_site, chatgptes_client):
            def pieces(prompt):
                yield "One"
                yield threading.Event()
                went_on.append(prompt)
            chatgptes_site.answers(pieces)
            with chatgptes_client.stream("Hello") as stream:
                assert next(stream) == "One"

        def test_two():
            assert went_on == []
        """
    )
    assert_all(result, passed=2)
