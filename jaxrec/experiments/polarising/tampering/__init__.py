"""User tampering: does a recommender that learns from clicks learn to polarise its users?"""
