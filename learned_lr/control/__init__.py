"""What a user of a trained controller needs: numpy only."""
