"""The story: its steps in order, each played even where an earlier one failed."""

from __future__ import annotations

import httpx

from frontlist.demo import copies, titles, trouble
from frontlist.demo.checks import EndedError, StoppedError
from frontlist.demo.scene import Scene
from frontlist.embedded import ServerError


def play(scene: Scene) -> None:
    """Everything; what can no longer be played is a failed check of its own."""
    try:
        for step in (*titles.STEPS, *copies.STEPS, *trouble.STEPS, converged):
            try:
                step(scene)
            except (LookupError, httpx.HTTPError) as error:
                scene.book.holds("the step can be played", False, f"{type(error).__name__}: {error}")
    except StoppedError:
        return
    except (EndedError, ServerError) as error:
        scene.book.ended(str(error))


def converged(scene: Scene) -> None:
    """After all of that, two flows and two systems agree."""
    book = scene.book
    book.step(1, "Nobody edits anything any more", "nowhere")
    scene.rest()
    scene.quiet_pass()
    works = {id_ for id_, work in scene.tenant.works.items() if titles.is_released(scene, work)}
    products = {product.id for id_ in works for product in scene.tenant.products_of(id_)}
    book.holds(f"{len(products)} products, one record each", scene.one_record_each(products))
    book.step(6, "Nobody edits anything any more", "nowhere")
    made = sum(len(copies.ours(scene, id_)) for id_ in scene.by_hand)
    book.holds("3 texts of marketing's in Consonance, each once", made == 3, f"{made}")
