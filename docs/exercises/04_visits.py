"""How often are nodes visited, youngest first and oldest first?

In each of n turns the function below makes two nodes, and uses `a` twice. In the backward pass a
node hands on what has arrived, whenever it is its turn. Return the number of visits of all nodes
that a function made; the leaves `a` and `one` are not visited. Begin on paper, with n = 1 and 2.

    def diamonds(a, n):
        for _ in range(n):
            b = a * one
            a = a + b
        return a
"""


def visits_youngest_first(n):
    return ...


def visits_oldest_first(n):
    return ...


if __name__ == "__main__":
    from checking import run

    run(__file__)
