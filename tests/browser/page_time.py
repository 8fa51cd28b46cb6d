"""How long does a page take to answer?"""

FRAME = 16  # milliseconds: what takes less, nobody sees


def wait_until(page, is_so):
    """The page allows no script of a test's own to wait in it."""
    for _ in range(800):
        if page.evaluate(is_so):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"not within twenty seconds: {is_so}")


def time_of_task(page, script, count):
    """The milliseconds of the page's own thread for one run of a script, with layout.

    The least of twenty means, each of `count` runs, at most: what else runs on the machine takes no
    time of this thread, but slows it down, for seconds where another browser works beside it.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent():
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(x["value"] for x in metrics if x["name"] == "TaskDuration")

    def mean():
        before = spent()
        for i in range(count):
            page.evaluate(f"i => {{ {script}; document.body.getBoundingClientRect(); }}", i)
        return 1000 * (spent() - before) / count

    least = mean()
    for _ in range(19):
        if least < FRAME:
            break
        page.wait_for_timeout(300)
        least = min(least, mean())
    return least
